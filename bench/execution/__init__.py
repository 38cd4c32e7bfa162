"""Running a plan: where artifacts live, and who computes what is missing."""
