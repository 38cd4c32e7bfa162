"""Statistics of per-query outcomes: intervals, paired tests, corrections. Pure, and numpy alone."""
