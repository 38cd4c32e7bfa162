"""Delta: the descriptors of a finished report, scored as other code bases would score them.

Everything is defined here once more, the slow and obvious way, apart from what made the report.
"""
