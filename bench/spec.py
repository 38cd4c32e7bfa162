"""Spec: what every stage of a cell was made from, as its report holds it."""

from __future__ import annotations

from bench.identity import Scores, Stage, spec_of


def full_spec(scores: Scores) -> dict[str, dict[str, object]]:
    """Every stage's specification, names resolved to what they stand for.

    A stage refers to earlier ones by their keys. Passes over the images of a projection's fit and
    of distractors are entries of their own, where there are such.
    """
    descriptors = scores.descriptors
    features, fit, distractors = descriptors.features, descriptors.fit, scores.distractors
    stages: dict[str, Stage | None] = {
        "model": features.extraction.model,
        "extraction": features.extraction,
        "features": features,
        "fit": fit,
        "fit_extraction": fit.features.extraction if fit else None,
        "descriptors": descriptors,
        "distractors_extraction": distractors.features.extraction if distractors else None,
        "scores": scores,
    }
    return {name: spec_of(stage) for name, stage in stages.items() if stage is not None}
