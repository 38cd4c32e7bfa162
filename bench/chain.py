"""Chain: the stages that a report rests on, in the order of doing, and what is left of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.execution.artifacts import FOLDERS
from bench.execution.manifest import read_manifest
from bench.identity import digest
from bench.sizes import size_of

KINDS = {name.lower(): name for name in ("Model", "Extraction", *FOLDERS)}
"""Name in a report's spec -> kind of stage, in the order of doing."""


@dataclass(frozen=True)
class Link:
    """One stage of a finished cell."""

    kind: str
    key: str
    artifact: str | None
    """Its folder, under the run folder; None where it leaves nothing of its own."""
    bytes: int | None
    """None where the artifact is gone, or there never is one."""
    computed: Mapping[str, Any]
    """By whom, when, at what cost; empty where nobody wrote it down."""
    spec: Mapping[str, Any]
    """What determines it; empty where the report does not say."""

    @property
    def gone(self) -> bool:
        """Whether it had an artifact that is no longer there."""
        return self.artifact is not None and self.bytes is None


def chain_of(report: Mapping[str, Any], runs: Path) -> list[Link]:
    """Follow a report's stages; of a report that does not list them, those that its spec names."""
    specs = {
        digest(report["spec"][name]): (kind, report["spec"][name])
        for name, kind in KINDS.items()
        if name in report.get("spec", {})
    }
    listed = report.get("stages")
    if listed is None:
        listed = [{"kind": kind, "key": key} for key, (kind, _) in specs.items()]
    return [_link(stage, specs.get(stage["key"], ("", {}))[1], runs) for stage in listed]


def _link(stage: Mapping[str, Any], spec: Mapping[str, Any], runs: Path) -> Link:
    kind, key = stage["kind"], stage["key"]
    artifact = stage["artifact"] if "artifact" in stage else _usual(kind, key, runs)
    folder = runs / artifact if artifact else None
    there = folder is not None and folder.is_dir()
    manifest = (read_manifest(folder) if folder is not None and there else None) or {}
    return Link(
        kind,
        key,
        artifact,
        size_of(folder) if folder is not None and there else None,
        stage.get("computed") or manifest.get("computed") or {},
        spec,
    )


def _usual(kind: str, key: str, runs: Path) -> str | None:
    """Where a stage's artifact is, if it leaves one: an untrained model does not."""
    if kind not in FOLDERS:
        return None
    artifact = f"artifacts/{FOLDERS[kind]}/{key}"
    return artifact if kind != "Model" or (runs / artifact).is_dir() else None
