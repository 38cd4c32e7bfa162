"""What can vary: one literal, greppable row per variant. Imports neither bench nor results."""
