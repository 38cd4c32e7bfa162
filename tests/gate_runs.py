"""Run folders as bench check reads them: reports with true per-query outcomes, made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd

from bench.execution.artifacts import write_json
from results.gate.baseline import Entry, Stored
from results.gate.outcome_lines import counted
from results.gate.run_entries import Finished, names_sha256
from results.outcomes import Outcomes
from results.seal import sealed
from results.store import failure_path, per_query_path, report_path
from tests.reports import report

QUERIES, CLASSES = 200, 50
CARD = {
    "bad_images": "none",
    "dataset": "SOP",
    "dataset_fingerprint": "f2a973d795e8921c",
    "dataset_verified": "no (bench data verify sop)",
    "interpolation": "bicubic, antialiased (torchvision)",
    "query_crop": "none",
    "resolution": "224 px",
    "row_versions": "transform short_center 2, pooling cls 1, projection none 1",
    "selection": "the last checkpoint",
    "ties": "expected",
    "transform": "resize short side to size x 256/224, centre crop",
    "versions": "decoding 1, training 1, extraction 1, fit 1, descriptors 2, scores 3",
}


def successes(share=0.6, queries=QUERIES, seed=0):
    """Outcomes of 0 and 1."""
    return (np.random.default_rng(seed).random(queries) < share).astype(float)


def computed(seconds, **changes):
    """What a worker notes, as far as the gate reads it."""
    machine = {"platform": "Linux-6", "device": "cpu", "threads": 2, "torch": "2.15.0"}
    return {"wall_seconds": seconds, **machine, **changes}


def stages(seconds=10.0, **changes):
    return [
        {"kind": "Model", "computed": None},
        {"kind": "Features", "computed": computed(seconds, **changes)},
        {"kind": "Scores", "computed": computed(0.5, **changes)},
    ]


def write_cell(runs, key="k", outcomes=None, *, names=None, classes=CLASSES, **changes):
    """Leave a report and its Parquet; outcomes by metric, r@1 if none are given."""
    outcomes = {"r@1": successes()} if outcomes is None else outcomes
    columns = {name: np.asarray(values, float) for name, values in outcomes.items()}
    count = len(next(iter(columns.values())))
    names = names or [f"images/{place:06d}.jpg" for place in range(count)]
    table = pd.DataFrame({"query": names, "query_position": np.arange(count), **columns})
    if classes:
        table.insert(2, "class", [f"class {place % classes}" for place in range(count)])
    content = report(
        key,
        **{
            "metrics": {name: float(np.nanmean(values)) for name, values in columns.items()},
            "headline": [next(iter(columns))],
            "protocol": CARD,
            "stages": stages(),
            "spec": {"model": {"weights": {"pretrained": "deit_small_patch16_224.fb_in1k"}}},
            **changes,
        },
    )
    path = per_query_path(runs, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)
    write_json(report_path(runs, key), sealed(content, path))
    return runs


def write_failure(runs, job, message="the loss is no number"):
    path = failure_path(runs, "f")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"key": "f", "job": job, "error": "WorkError", "message": message})


def flipped(values, places):
    """The same outcomes but for some queries."""
    values = np.array(values)
    values[list(places)] = 1 - values[list(places)]
    return values


def hits(values, count=None, *, classes=CLASSES):
    """Places of successes, of as many classes as possible first."""
    places = sorted(np.flatnonzero(np.asarray(values) == 1), key=lambda p: (p // classes, p))
    return places[:count]


def finished(outcomes=None, *, classes=CLASSES, names=None, axes=None, **changes):
    """A finished cell as it is read, without files; outcomes by metric."""
    outcomes = {"r@1": successes()} if outcomes is None else outcomes
    read = {name: _outcomes(values, classes, names) for name, values in outcomes.items()}
    stored = {
        name: Stored(found.mean, names_sha256(found.queries), counted(found.per_query))
        for name, found in read.items()
    }
    entry = Entry(
        axes={"dataset": "sop", "backbone": "deit_s", "dims": "384", **(axes or {})},
        title="SOP",
        protocol={name: text for name, text in CARD.items() if name != "dataset_verified"},
        fingerprint="aaaa",
        weights="pretrained deit_small",
        parameters=21_665_664,
        gmacs=4.598,
        dims=384,
        metrics=stored,
        seconds={"Features": 10.0, "Scores": 0.5},
        machine={"platform": "Linux-6", "device": "cpu", "threads": "2", "torch": "2.15.0"},
    )
    return Finished(replace(entry, **changes), read)


def _outcomes(values, classes, names):
    values = np.asarray(values, float)
    count = len(values)
    names = tuple(names or (f"images/{place:06d}.jpg" for place in range(count)))
    unit_of = np.arange(count) % (classes or count)
    units = tuple(f"class {number}" for number in range(classes)) if classes else names
    return Outcomes(names, values, unit_of, units, "class" if classes else "query")
