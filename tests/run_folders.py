"""Run folders without the work: notes, artifacts with manifests, reports and failures of a plan."""

import json
import zlib

import pandas as pd

from bench.execution.artifacts import FOLDERS, write_json
from bench.execution.work import name_of
from bench.identity import Extraction, Features, Model, digest, key_of, spec_of
from bench.matrix import read_matrix
from bench.plan import make_plan
from results.seal import CHECKSUM, content_checksum, sealed
from results.store import failure_path, per_query_path, report_path
from tests.reports import report

WORDS = ("backbone=tiny_vit", "dims=8,16", "dataset=twin-sop", "loss=contrastive")
OTHER = ("backbone=tiny_conv", "dims=8", "dataset=twin-sop", "loss=contrastive")


def plan_of(*words):
    """A plan of few cells; by default two that share a training, an extraction and a fit."""
    typed = read_matrix([*(words or WORDS)], preset=None, exclude=[])
    return make_plan(typed, skip_bad_images=False)


def note(plan, runs):
    """Note a plan as bench run does."""
    cells = {
        cell.key: {
            "label": cell.job.label,
            "job": cell.job.values(),
            "skip_bad_images": False,
            "stages": [name_of(stage) for stage in cell.stages()],
        }
        for cell in plan.cells
    }
    path = runs / "plans" / f"{digest({'cells': sorted(cells)})}.json"
    write_json(path, cells)
    return path


def stages_of(cell):
    """All stages that leave an artifact, in the order of doing."""
    found = []
    for stage in cell.stages():
        pooled = [one for one in cell.scores.features() if one.extraction == stage]
        found += dict.fromkeys(pooled) if isinstance(stage, Extraction) else [stage]
    return [one for one in found if not isinstance(one, Model) or one.training]


def artifact_path(stage, runs):
    return runs / "artifacts" / FOLDERS[type(stage).__name__] / key_of(stage)


def computed(**changes):
    """What a worker notes of its work."""
    return {
        "by": "process 12 on elsewhere",
        "host": "elsewhere",
        "pid": 12,
        "device": "cpu",
        "driver": None,
        "dtype": "float32",
        "threads": 2,
        "deterministic": {"algorithms": True},
        "started": "2026-01-01T00:00:00",
        "finished": "2026-01-01T00:00:02",
        "wall_seconds": 1.5,
        "device_seconds": 2.5,
        "peak_bytes": 1_230_000,
        "peak_device_bytes": None,
        "git": "c0ffee",
        "dirty": False,
        "notes": ["batch of 64 lowered to 32: out of memory"],
        "log": "log/extraction-0123456789abcdef.log",
        **changes,
    }


def make_artifact(stage, runs, content=b"numbers", manifest=True, **changes):
    """Leave an artifact with one file."""
    folder = artifact_path(stage, runs)
    folder.mkdir(parents=True)
    (folder / "content.npy").write_bytes(content)
    if manifest:
        files = {"content.npy": {"bytes": len(content), "crc32": f"{zlib.crc32(content):08x}"}}
        about = {"kind": type(stage).__name__, "key": key_of(stage), "files": files}
        write_json(folder / "artifact.json", {**about, "computed": computed(**changes)})
    return folder


def make_report(cell, runs, *, stages=True, r1=0.5, **changes):
    """Leave a report with its Parquet."""
    descriptors = cell.scores.descriptors
    features = descriptors.features
    named = {
        "model": features.extraction.model,
        "extraction": features.extraction,
        "features": features,
        "fit": descriptors.fit,
        "descriptors": descriptors,
        "scores": cell.scores,
    }
    content = report(
        cell.key,
        job={**cell.job.values(), "dataset_title": "SOP twin"},
        spec={name: spec_of(stage) for name, stage in named.items() if stage},
        metrics={"map@r": 0.25, "r@1": r1, "r@10": 0.7},
        bounds={"r@1": [r1, r1], "r@10": [0.6875, 0.75]},
        **changes,
    )
    if stages:
        content["stages"] = [listed(stage, runs) for stage in cell.stages()]
    path = per_query_path(runs, cell.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"r@1": [r1]}).to_parquet(path)
    write_json(report_path(runs, cell.key), sealed(content, path))
    return json.loads(report_path(runs, cell.key).read_text())


def listed(stage, runs):
    """A stage as reports list it."""
    kept = not isinstance(stage, Extraction)
    return {
        "kind": type(stage).__name__,
        "key": key_of(stage),
        "artifact": str(artifact_path(stage, runs).relative_to(runs)) if kept else None,
        "computed": computed() if kept else None,
    }


def make_failure(cell, runs, **changes):
    """Leave what a failed cell leaves."""
    content = {
        "key": cell.key,
        "job": cell.job.values(),
        "error": "WorkError",
        "message": "the loss is no number",
        "traceback": "Traceback (most recent call last):\n  somewhere\nWorkError: the loss",
        **changes,
    }
    write_json(failure_path(runs, cell.key), content)
    return content


def finished(plan, runs, *, cells=None):
    """A run folder of a plan, of whose cells the first few are done; all if not said."""
    note(plan, runs)
    for cell in plan.cells[:cells]:
        for stage in stages_of(cell):
            if not artifact_path(stage, runs).exists():
                make_artifact(stage, runs)
        make_report(cell, runs)
    return runs


def files_of(folder):
    """Every file's content by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def features_of(cell):
    return [stage for stage in stages_of(cell) if isinstance(stage, Features)]


def change_json(path, **changes):
    """Change a file as if it had been written so: a report's checksum too."""
    content = {**json.loads(path.read_text()), **changes}
    if CHECKSUM in content:
        content[CHECKSUM] = content_checksum(content)
    path.write_text(json.dumps(content))
