"""Protocol: how a number was measured, as a card of named fields and a fingerprint of it.

The fingerprint leaves out what a comparison varies (backbone, pooling, dims ...): two numbers with
one fingerprint were measured the same way on the same images.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench import identity
from bench.identity import Scores, digest
from bench.job import Job
from registry.datasets import dataset_row, source_row
from registry.recipes import RECIPES
from registry.timm_models import backbone_row
from registry.transforms import TRANSFORMS


def protocol_card(
    job: Job, scores: Scores, counts: Mapping[str, int], verified: str
) -> dict[str, object]:
    """Name every choice that a number depends on and that papers leave unsaid.

    verified is what the doctor said of the images.
    """
    row = dataset_row(job.dataset)
    landmarks = row.measure == "revisited"
    return {
        "dataset": row.title,
        "dataset_fingerprint": images_fingerprint(scores),
        "dataset_verified": verified,
        "twin": row.is_twin,
        "transform": _shaped(job),
        "query_crop": "to bbx in native pixels, before resizing" if job.crop == "box" else "none",
        "exif_orientation": "applied" if row.upright else "ignored",
        "resolution": job.resolution,
        "interpolation": TRANSFORMS[job.transform].filter
        or backbone_row(job.backbone).interpolation + ", antialiased (torchvision)",
        "pooling": job.pooling,
        "projection": job.projection,
        "projection_fit": fit_set(scores),
        "transductive": transductive(scores),
        "dtype": "float32 features and descriptors; exact similarities",
        "similarity": "cosine",
        "metrics": _metric_form(landmarks),
        "ties": "expected value under random order",
        "self_match": "masked by identity, where a query is in the gallery",
        "bad_images": _left_out(counts),
        "selection": RECIPES[job.recipe].selection if job.recipe else "not trained",
        "versions": {
            "training": identity.TRAINING_VERSION,
            "extraction": identity.EXTRACTION_VERSION,
            "fit": identity.FIT_VERSION,
            "descriptors": identity.DESCRIPTORS_VERSION,
            "scores": identity.SCORES_VERSION,
        },
    }


VARIED = (
    "dataset_verified",
    "pooling",
    "projection",
    "projection_fit",
    "resolution",
    "transform",
    "query_crop",
    "interpolation",
    "selection",
)
"""Fields that axes vary, or that change no number: on the card, not part of the fingerprint."""


def compared_fields(card: dict[str, object]) -> list[str]:
    """Fields that must agree in one column of a table."""
    return sorted(set(card) - set(VARIED))


def fingerprint(card: dict[str, object]) -> str:
    """Hash the fields that must agree into eight hexadecimal digits."""
    return digest({name: card[name] for name in compared_fields(card)})[:8]


def images_fingerprint(scores: Scores) -> str:
    """Name the lists and images that were measured, distractors after them: as the doctor does."""
    return "+".join(part.features.extraction.images for part in scores.parts())


def fit_set(scores: Scores) -> str:
    """Say which images a projection was fitted on."""
    fit = scores.descriptors.fit
    if fit is None:
        return "not fitted"
    if transductive(scores):
        return "the evaluated images (transductive)"
    source = source_row(fit.features.extraction.dataset)
    return f"training split of {source.title} ({source.train_images:,} images)"


def transductive(scores: Scores) -> bool:
    """Whether a projection was fitted on the images it is measured on."""
    fit = scores.descriptors.fit
    return fit is not None and fit.features.extraction.part == "evaluated"


def _shaped(job: Job) -> str:
    """Say how images got their shape: where a network reads patches, sides are rounded to them."""
    transform, backbone = TRANSFORMS[job.transform], backbone_row(job.backbone)
    rounded = transform.keeps_aspect and backbone.sized
    return transform.meaning + (f", sides rounded to {backbone.stride}" if rounded else "")


def _left_out(counts: Mapping[str, int]) -> str:
    evaluated, trained = counts["bad_images"], counts["bad_training_images"]
    if not evaluated + trained:
        return "none"
    return f"{evaluated} evaluated and {trained} training images left out"


def _metric_form(landmarks: bool) -> str:
    if landmarks:
        return "revisitop: trapezoid AP, junk removed, mP@k cut at the last relevant rank"
    return "R@K: any relevant image in the K nearest; MAP@R: Musgrave et al. 2020"
