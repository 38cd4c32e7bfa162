"""Stages: inputs -> artifact, nothing else."""
