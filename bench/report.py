"""Report: what a finished job writes, last and in one step."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.card import Card, protocol_card, transductive
from bench.cost import cost_of
from bench.doctor.records import RECORDS, verdict
from bench.execution.artifacts import write_json, writing
from bench.execution.manifest import read_manifest
from bench.identity import Model, Scores, Stage, key_of
from bench.plan import Planned
from bench.protocol import compared_fields, fingerprint, signature, texts
from bench.provenance import environment, now
from bench.spec import full_spec
from bench.stages.context import Context
from bench.stages.features import bad_images
from bench.stages.scores import PER_QUERY, read_metrics
from bench.stages.weights import training_log
from bench.tracking.runs import track_report
from registry.datasets import Dataset, dataset_row, training_row
from registry.errors import WorkError
from registry.publish import write_file
from results.seal import sealed
from results.store import SCHEMA, failure_path, per_query_path, report_path


def write_report(cell: Planned, context: Context, runs: Path) -> dict[str, Any]:
    """Put together a job's report from its scores; the Parquet first, the JSON last."""
    scored = context.artifacts.open(cell.scores)
    read = read_metrics(scored)
    counts = dict(read.counts)
    row = dataset_row(cell.job.dataset)
    extraction = cell.scores.descriptors.features.extraction
    log = training_log(extraction.model, context)
    counts["bad_training_images"] = _bad_training_images(cell.scores, log, context)
    measured = counts.pop("dims")
    if measured != cell.job.dims:
        raise WorkError(
            f"{cell.job.label}: descriptors have {measured} dims, not {cell.job.dims}; "
            "this is a defect: please report it"
        )
    card = protocol_card(cell.job, cell.scores, counts, _verified(cell.scores, context.data, runs))
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "key": cell.key,
        "job": {**cell.job.values(), "dataset_title": row.title},
        "spec": full_spec(cell.scores),
        "metrics": read.metrics,
        "bounds": read.bounds,
        "training": trained_as(log),
        "headline": headline(row),
        "counts": counts,
        "cost": {
            **cost_of(cell.scores.descriptors),
            "dims_measured": measured,
        },
        "protocol": texts(card),
        "signature": signature(card),
        "fingerprint": fingerprint(card),
        "fingerprint_fields": compared_fields(card),
        "marks": marks(row, cell, counts, card, seen=_classes_seen(cell, context)),
        "stages": stages(cell.scores, context, runs),
        "environment": environment(context.device),
        "finished": now(),
    }
    final = per_query_path(runs, cell.key)
    with writing(final):
        write_file(final, lambda path: shutil.copyfile(scored / PER_QUERY, path))
    report = sealed(report, final)
    write_json(report_path(runs, cell.key), report)
    failure_path(runs, cell.key).unlink(missing_ok=True)
    track_report(cell.job.label, report, context.tracker)
    return report


def trained_as(log: Mapping[str, Any]) -> dict[str, Any]:
    """What a training says of its checkpoint: nothing where the network is not trained.

    selected_r@1 is that of the kept weights, last_r@1 that of the last: the honest one, where
    the checkpoint was selected on the evaluated images.
    """
    selected = log.get("selected")
    if not selected:
        return {}
    found = {"steps": len(log["losses"]), "selected_by": selected["by"]}
    if selected["value"] is None:
        return found
    name = "validation_r@1" if selected["by"] == "validation" else "selected_r@1"
    return {
        **found,
        "selected_step": selected["step"],
        name: selected["value"],
        "last_r@1": selected["last"],
    }


def _verified(scores: Scores, data: Path, runs: Path) -> str:
    """Say what the doctor found of the images that were measured."""
    folders = (data / RECORDS, runs / RECORDS)
    extractions = (part.features.extraction for part in scores.parts())
    return "; ".join(verdict(folders, found.dataset, found.images) for found in extractions)


def _bad_training_images(scores: Scores, log: dict[str, object], context: Context) -> int:
    """Count the images that neither trained the network nor fitted its projection."""
    skipped = log.get("skipped")
    trained = len(skipped) if isinstance(skipped, list) else 0
    fit = scores.descriptors.fit
    if fit is None or transductive(scores):
        return trained
    return max(trained, len(bad_images(fit.features, context)))


def headline(row: Dataset) -> list[str]:
    """The metrics by which the field quotes a dataset."""
    return ["r@1"] if row.measure == "recall" else ["map_medium", "map_hard"]


def marks(
    row: Dataset,
    cell: Planned,
    counts: dict[str, int],
    card: Card,
    *,
    seen: bool,
) -> list[str]:
    """What a reader must know before comparing the number; tables show it as footnotes."""
    train = cell.job.train
    drawn = train is not None and training_row(train, cell.job.dataset).is_twin
    found = {
        "twin": row.is_twin,
        "transductive": transductive(cell.scores),
        "subset": row.about,
        "not ok": "NOT OK" in card["dataset_verified"].text,
        "seen classes": seen,
        "drawn training": drawn and not row.is_twin,
        "test-selected": card["selection"].short == "test",
        "tied": 2 * counts["tied_queries"] > counts["queries"],
        "bad images left out": counts["bad_images"] + counts["bad_training_images"] > 0,
    }
    return [mark for mark, holds in found.items() if holds]


def _classes_seen(cell: Planned, context: Context) -> bool:
    """Whether classes that are evaluated were trained on, or fitted on: no retrieval split does.

    Only a dataset's own training split can be told: names of classes of two datasets say nothing.
    """
    job = cell.job
    if job.train is None or training_row(job.train, job.dataset).name != job.dataset:
        return False
    split = context.split(job.dataset)
    return split.train is not None and bool(set(split.train.classes) & set(split.evaluated.classes))


def stages(scores: Scores, context: Context, runs: Path) -> list[dict[str, Any]]:
    """Tell the chain of stages that a number rests on: their artifacts, and who computed them."""
    chain: list[Stage] = [scores.descriptors.features.extraction.model]
    for part in scores.parts():
        chain += [part.fit.features, part.fit] if part.fit else []
        chain += [part.features, part]
    return [_told(stage, context, runs) for stage in dict.fromkeys([*chain, scores])]


def _told(stage: Stage, context: Context, runs: Path) -> dict[str, Any]:
    told = {"kind": type(stage).__name__, "key": key_of(stage), "artifact": None, "computed": None}
    if isinstance(stage, Model) and stage.training is None:
        return told
    folder = context.artifacts.path(stage)
    manifest = read_manifest(folder)
    if manifest is None:  # freed since: later stages did not need it
        return told
    place = folder.relative_to(runs).as_posix()
    return {**told, "artifact": place, "computed": manifest["computed"]}
