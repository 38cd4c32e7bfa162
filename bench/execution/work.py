"""Work: whether a stage is done, how it is done, and what it is called while it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.execution.artifacts import Artifacts
from bench.identity import Descriptors, Extraction, Features, Fit, Model, Scores, Stage
from bench.stages.context import Context
from bench.stages.descriptors import ensure_descriptors, ensure_fit
from bench.stages.features import ensure_features
from bench.stages.scores import ensure_scores
from bench.stages.weights import ensure_weights
from registry.datasets import dataset_row, source_row

Poolings = Mapping[Extraction, Sequence[str]]
"""What each extraction must yield."""


def is_done(stage: Stage, poolings: Poolings, artifacts: Artifacts) -> bool:
    """Whether there is nothing to do for a stage."""
    match stage:
        case Model():
            return stage.training is None or artifacts.has(stage)
        case Extraction():
            return artifacts.has_features(stage, poolings[stage])
        case _:
            return artifacts.has(stage)


def compute(stage: Stage, poolings: Poolings, context: Context) -> None:
    """Do a stage, unless it is done."""
    match stage:
        case Model():
            ensure_weights(stage, context)
        case Extraction():
            ensure_features(Features(stage, poolings[stage][0]), poolings[stage], context)
        case Features():
            ensure_features(stage, poolings[stage.extraction], context)
        case Fit():
            ensure_fit(stage, poolings[stage.features.extraction], context)
        case Descriptors():
            ensure_descriptors(stage, poolings[stage.features.extraction], context)
        case Scores():
            ensure_scores(stage, poolings[stage.descriptors.features.extraction], context)


def title(stage: Stage) -> str:
    """Say what is being done, for whoever waits for it."""
    match stage:
        case Model():
            return f"training {stage.backbone}"
        case Extraction():
            return f"extracting {stage.model.backbone} on {source_row(stage.dataset).title}"
        case Features():
            return f"{title(stage.extraction)}, {stage.pooling}"
        case Fit():
            return f"fitting {stage.projection}: {title(stage.features)}"
        case Descriptors():
            return f"projecting to {stage.dims} dims: {title(stage.features)}"
        case Scores():
            return f"scoring {dataset_row(stage.dataset).title}"
