"""Stages: inputs -> artifact, nothing else. Each returns at once where its artifact is there."""
