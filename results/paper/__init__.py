"""The paper's own tables, with our cells in them where they stand for its numbers."""
