"""bench data verify: is what lies on the disk the benchmark, whole and undamaged?"""
