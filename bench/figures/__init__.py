"""The paper's figures, computed from what finished cells have left in the run folder."""
