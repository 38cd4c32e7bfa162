"""Card: what each field of a number's protocol says, in a sentence and in a token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench import identity
from bench.identity import Scores
from bench.job import Job
from bench.scoring import PRECISION_KS
from registry.datasets import Dataset, dataset_row, source_row
from registry.datasets.folder import PREFIX as FOLDER
from registry.losses import parse_loss
from registry.poolings import POOLINGS
from registry.projections import PROJECTIONS
from registry.recipe import Selection
from registry.recipes import parse_recipe
from registry.timm_models import backbone_row
from registry.transforms import TRANSFORMS


@dataclass(frozen=True)
class Said:
    """What a field says: a sentence for people, a token without blanks for the signature."""

    text: str
    short: str


Card = Mapping[str, Said]

SELECTIONS: Mapping[Selection, str] = {
    "last": "the last checkpoint",
    "validation": "the best checkpoint on validation classes that trained nothing",
    "test": "test-selected: the best checkpoint on the evaluated images",
}


def protocol_card(job: Job, scores: Scores, counts: Mapping[str, int], verified: str) -> Card:
    """Name every choice that a number depends on and that papers leave unsaid.

    verified is what the doctor said of the images.
    """
    row = dataset_row(job.dataset)
    return {
        **_images(row, scores, verified),
        **_input(row, job),
        **_descriptor(job, scores),
        **_measure(row),
        "bad_images": _left_out(counts),
        "loss": _loss(job),
        "recipe": Said(job.recipe or "not trained", _slug(job.recipe or "none")),
        "selection": _selection(job),
        **_versions(job),
    }


def images_fingerprint(scores: Scores) -> str:
    """Name the lists and images that were measured, distractors after them: as the doctor does."""
    return "+".join(part.features.extraction.images for part in scores.parts())


def transductive(scores: Scores) -> bool:
    """Whether a projection was fitted on the images it is measured on."""
    fit = scores.descriptors.fit
    return fit is not None and fit.features.extraction.part == "evaluated"


def _images(row: Dataset, scores: Scores, verified: str) -> Card:
    images = images_fingerprint(scores)
    return {
        "dataset": Said(row.title, _slug(row.title)),
        "dataset_fingerprint": Said(images, "+".join(part[:8] for part in images.split("+"))),
        "dataset_verified": Said(verified, ""),
        "split": _split(row),
        "twin": Said("yes: drawn by code" if row.is_twin else "no", ""),
    }


def _split(row: Dataset) -> Said:
    """Which images train and which are evaluated, and who says so."""
    whole = _whole_split(row)
    chosen = row.identity.get("subset")
    if not isinstance(chosen, Mapping):
        return whole
    values = ",".join(f"{name}={value}" for name, value in chosen.items())
    return Said(f"subset({values}) of: {whole.text}", f"{whole.short}.subset({values})")


def _whole_split(row: Dataset) -> Said:
    if row.is_twin:
        return Said("twin: drawn, with lists in the real dataset's layout", "twin")
    if not row.name.startswith(FOLDER):
        return Said("official", "official")
    if "@split=classes" in row.name:
        return Said("folder: half of the classes train, the others are evaluated", "folder-halves")
    if row.train_images:
        return Said("folder: train/ trains, test/ is evaluated", "folder-train-test")
    return Said("folder: all images are evaluated, none train", "folder-all")


def _input(row: Dataset, job: Job) -> Card:
    """From a file to what the network sees."""
    transform, backbone = TRANSFORMS[job.transform], backbone_row(job.backbone)
    rounded = transform.keeps_aspect and backbone.sized
    boxed = job.crop == "box"
    resized = transform.filter or f"{backbone.interpolation}, antialiased (torchvision)"
    return {
        "transform": Said(
            transform.meaning + (f", sides rounded to {backbone.stride}" if rounded else ""),
            transform.name + (f"/{backbone.stride}" if rounded else ""),
        ),
        "query_crop": Said(
            "to bbx in native pixels, before resizing" if boxed else "none",
            "box-native" if boxed else "none",
        ),
        "exif_orientation": _as_is("applied" if row.upright else "ignored"),
        "resolution": _resolution(job),
        "interpolation": Said(resized, _slug(resized.split()[0])),
        "scales": Said("one scale", "1"),
    }


def _resolution(job: Job) -> Said:
    if job.test_resolution is None:
        return Said(f"{job.resolution} px", str(job.resolution))
    return Said(
        f"{job.test_resolution} px, trained at {job.resolution} px",
        f"{job.test_resolution}/{job.resolution}",
    )


def _descriptor(job: Job, scores: Scores) -> Card:
    return {
        "pooling": _as_is(job.pooling),
        "projection": _as_is(job.projection),
        "projection_fit": _fit_set(scores),
        "transductive": Said("yes" if transductive(scores) else "no", ""),
        "feature_dtype": Said(
            "float32 features and descriptors, descriptors on a grid of 2^-26", "f32"
        ),
    }


def _fit_set(scores: Scores) -> Said:
    """Say which images a projection was fitted on."""
    fit = scores.descriptors.fit
    if fit is None:
        return Said("not fitted", "none")
    if transductive(scores):
        return Said("the evaluated images (transductive)", "evaluated")
    extraction = fit.features.extraction
    source, images = source_row(extraction.dataset), extraction.images[:8]
    return Said(
        f"training split of {source.title} ({source.train_images:,} images, {images})",
        f"{_slug(source.title)}@{images}",
    )


def _measure(row: Dataset) -> Card:
    landmarks = row.measure == "revisited"
    ks = ",".join(map(str, PRECISION_KS if landmarks else row.ks))
    return {
        "search_dtype": Said(
            "exact: float32 products, whatever they cannot decide settled in float64", "exact"
        ),
        "similarity": _as_is("cosine"),
        "metrics": _metric_form(landmarks),
        "ks": _as_is(ks),
        "ties": Said("expected value under random order; bounds in the report", "expected"),
        "self_match": Said("masked by identity, where a query is in the gallery", "masked"),
        "duplicates": Said("kept: copies of a query count as they are labelled", "kept"),
    }


def _metric_form(landmarks: bool) -> Said:
    if landmarks:
        return Said(
            "revisitop: trapezoid AP, junk removed, mP@k cut at the last relevant rank",
            "revisitop",
        )
    return Said(
        "R@K: any relevant image in the K nearest; MAP@R: Musgrave et al. 2020; "
        "mAP: mean precision at relevant images, never cut",
        "R@K,MAP@R,mAP",
    )


def _left_out(counts: Mapping[str, int]) -> Said:
    evaluated, trained = counts["bad_images"], counts["bad_training_images"]
    if not evaluated + trained:
        return Said("none", "none")
    text = f"{evaluated} evaluated and {trained} training images left out"
    return Said(text, f"{evaluated}+{trained}")


def _loss(job: Job) -> Said:
    """Say each term in full: which margin, in what, summed how."""
    meanings = [
        f"{row.meaning} ({', '.join(f'{name} {value:g}' for name, value in parameters.items())})"
        if parameters
        else row.meaning
        for row, parameters in parse_loss(job.loss)
    ]
    return Said(" + ".join(meanings), _slug(job.loss))


def _selection(job: Job) -> Said:
    if job.recipe is None:
        return Said("not trained", "untrained")
    chosen = parse_recipe(job.recipe).selection
    return Said(SELECTIONS[chosen], chosen)


def _versions(job: Job) -> Card:
    """Of the stages' code, the same for all; and of the rows that a job names."""
    stages = {
        "decoding": identity.DECODING_VERSION,
        "training": identity.TRAINING_VERSION,
        "extraction": identity.EXTRACTION_VERSION,
        "fit": identity.FIT_VERSION,
        "descriptors": identity.DESCRIPTORS_VERSION,
        "scores": identity.SCORES_VERSION,
    }
    rows = {
        f"transform {job.transform}": TRANSFORMS[job.transform].version,
        f"pooling {job.pooling}": POOLINGS[job.pooling].version,
        f"projection {job.projection}": PROJECTIONS[job.projection].version,
    }
    return {"versions": _numbered(stages), "row_versions": _numbered(rows)}


def _numbered(versions: Mapping[str, int]) -> Said:
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Said(text, ".".join(map(str, versions.values())))


def _as_is(text: str) -> Said:
    return Said(text, text)


def _slug(title: str) -> str:
    """A title as a token: no blanks, nothing that separates tokens or the parts of one."""
    return re.sub(r"[^\w.+-]+", "-", title).strip("-").lower() or "unnamed"
