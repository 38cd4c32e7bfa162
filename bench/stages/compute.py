"""Compute: each kind of stage, and the function that does it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.identity import Descriptors, Extraction, Fit, Model, Scores, Stage
from bench.stages.context import Context
from bench.stages.descriptors import fit_projection, project_features
from bench.stages.features import extract_features
from bench.stages.scores import score_descriptors
from bench.stages.weights import train_weights


def compute(stage: Stage, poolings: Sequence[str], context: Context) -> None:
    """Do a stage whose inputs are there; poolings are what an extraction is to yield.

    Raises DamagedError where an input is not what was written.
    """
    match stage:
        case Model():
            train_weights(stage, context)
        case Extraction():
            extract_features(stage, poolings, context)
        case Fit():
            fit_projection(stage, context)
        case Descriptors():
            project_features(stage, context)
        case Scores():
            score_descriptors(stage, context)
