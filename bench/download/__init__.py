"""Getting files that others publish: fetched whole or not at all, unpacked whole or not at all."""
