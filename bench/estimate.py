"""What a plan will take, from the rows' own facts: rough, and before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from bench.execution.artifacts import Artifacts
from bench.identity import Extraction, Model, Scores
from bench.plan import Plan
from registry.datasets import dataset_row, source_row
from registry.recipes import parse_recipe
from registry.timm_models import backbone_row

GMACS_PER_SECOND = 60.0
"""Of two CPU cores; a GPU does 100 times as many and more."""
TRAINING_PASSES = 3
"""Forward, and backward at twice its cost."""
SECONDS_PER_CELL = 0.3
SCORING_PASSES = 2
"""Products of queries and gallery that a scoring and its neighbour lists take, about."""
FLOAT32_BYTES = 4


def sentence(plan: Plan, runs: Path) -> str:
    """Say how long and how much disk what is left to do takes."""
    seconds = seconds_left(plan, runs)
    megabytes = bytes_left(plan, runs) / 1e6
    return (
        f"about {duration(seconds)} on two CPU cores "
        f"(at {GMACS_PER_SECOND:.0f} GMACs/s) and {megabytes:,.0f} MB of disk to go"
    )


def seconds_left(plan: Plan, runs: Path) -> float:
    """Multiply-accumulates of trainings and extractions that are not done, over the rate."""
    artifacts, wanted = Artifacts(runs), plan.poolings()
    gmacs = sum(_training(model) for model in plan.trainings() if not artifacts.has(model))
    for extraction, poolings in wanted.items():
        if not artifacts.has_features(extraction, poolings):
            gmacs += _images(extraction) * image_gmacs(
                extraction.model.backbone, extraction.resolution
            )
    done = {cell.key for cell in plan.done(runs)}
    left = [cell for cell in plan.cells if cell.key not in done]
    gmacs += sum(_scoring(scores) for scores in {cell.scores for cell in left})
    return gmacs / GMACS_PER_SECOND + SECONDS_PER_CELL * len(left)


def bytes_left(plan: Plan, runs: Path) -> float:
    """Weights, features, descriptors and decoded images that are not there yet."""
    artifacts, wanted = Artifacts(runs), plan.poolings()
    total = 0.0
    decoded: dict[tuple[object, ...], float] = {}
    for model in plan.trainings():
        if not artifacts.has(model):
            total += backbone_row(model.backbone).mparams * 1e6 * FLOAT32_BYTES
    for extraction, poolings in wanted.items():
        if not artifacts.has_features(extraction, poolings):
            row = backbone_row(extraction.model.backbone)
            total += _images(extraction) * row.width * FLOAT32_BYTES * len(poolings)
            kept = _images(extraction) * 3 * extraction.resolution**2
            decoded[_pixels(extraction, row.interpolation)] = kept
    parts = (part for cell in plan.cells for part in cell.scores.parts())
    for descriptors in dict.fromkeys(parts):
        if not artifacts.has(descriptors):
            images = _images(descriptors.features.extraction)
            total += images * descriptors.dims * FLOAT32_BYTES
    return total + sum(decoded.values())


def _pixels(extraction: Extraction, interpolation: str) -> tuple[object, ...]:
    """Name decoded images, which every network shares that sees them so."""
    seen = extraction.dataset, extraction.part, extraction.transform, extraction.crop
    return (*seen, extraction.resolution, interpolation)


def image_gmacs(backbone: str, resolution: int) -> float:
    """Scale a row's GMACs to a resolution, as if all cost were per pixel."""
    row = backbone_row(backbone)
    return row.gmacs * (resolution / row.input_size) ** 2


def _training(model: Model) -> float:
    assert model.training is not None
    recipe = parse_recipe(model.training.recipe)
    gmacs = image_gmacs(model.backbone, model.resolution)
    return recipe.steps * recipe.batch_images * TRAINING_PASSES * gmacs


def _scoring(scores: Scores) -> float:
    row = dataset_row(scores.dataset)
    gallery = row.counts.gallery
    if scores.distractors:
        gallery += source_row(scores.distractors.features.extraction.dataset).evaluated_images
    products = row.counts.queries * gallery * scores.descriptors.dims
    return SCORING_PASSES * products / 1e9


def _images(extraction: Extraction) -> int:
    row = source_row(extraction.dataset)
    return row.train_images if extraction.part == "train" else row.evaluated_images


def duration(seconds: float) -> str:
    """Say seconds in the unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
