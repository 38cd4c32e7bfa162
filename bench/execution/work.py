"""Work: what a stage needs, whether it is done, and what it is called meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.execution.artifacts import Artifacts
from bench.identity import Descriptors, Extraction, Features, Fit, Model, Scores, Stage, key_of
from registry.datasets import dataset_row, source_row

Poolings = Mapping[Extraction, Sequence[str]]
"""What each extraction must yield."""


def name_of(stage: Stage) -> str:
    """Name a stage's lease and log: <kind>-<key>."""
    return f"{type(stage).__name__.lower()}-{key_of(stage)}"


def inputs_of(stage: Stage) -> list[Stage]:
    """The stages whose artifacts a stage reads; an extraction stands for all its features."""
    match stage:
        case Model():
            return []
        case Extraction():
            return [stage.model]
        case Features():
            return [stage.extraction]
        case Fit():
            return [stage.features.extraction]
        case Descriptors():
            return [stage.features.extraction, *([stage.fit] if stage.fit else [])]
        case Scores():
            parts: list[Stage] = list(stage.parts())
            read = [features.extraction for features in stage.features()]  # their bad images
            return list(dict.fromkeys([read[0].model, *read, *parts]))


def work_of(stage: Stage) -> Stage:
    """The stage that has to be done for this one to be there."""
    return stage.extraction if isinstance(stage, Features) else stage


def is_done(stage: Stage, poolings: Poolings, artifacts: Artifacts) -> bool:
    """Whether there is nothing to do for a stage."""
    match stage:
        case Model():
            return stage.training is None or artifacts.has(stage)
        case Extraction():
            return artifacts.has_features(stage, poolings[stage])
        case _:
            return artifacts.has(stage)


def artifacts_of(stage: Stage, poolings: Poolings) -> list[Stage]:
    """The stages under whose keys a stage leaves something."""
    if isinstance(stage, Extraction):
        return [Features(stage, pooling) for pooling in poolings[stage]]
    return [stage]


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
