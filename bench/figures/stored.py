"""Stored: what finished cells have left in a run folder that a figure is computed from.

Nothing here imports torch, and nothing is computed again.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.chain import Link, chain_of
from bench.delta.similarities import Floats
from bench.figures.variants import Report
from bench.identity import digest
from bench.image_identity import image_identity
from registry.datasets import dataset_row
from registry.datasets.split import Split
from registry.errors import WorkError
from results.names import AXES
from results.store import report_path

DESCRIPTORS = "descriptors.npy"
"""A copy of the name that bench.stages.descriptors gives, which imports torch."""


@dataclass(frozen=True)
class Folders:
    """Where reports with their artifacts are, and where images."""

    runs: Path
    data: Path

    def descriptors(self, report: Report) -> Floats:
        """Map the (N, D) unit descriptors of a report's evaluated images into memory.

        Distractors are not among them; rows of unreadable images are 0. Raises WorkError, with the
        command that makes them again, where they are gone.
        """
        link = next(one for one in chain_of(report, self.runs) if one.kind == "Descriptors")
        if link.artifact is None or link.gone:
            raise WorkError(self._gone(report, "the descriptors"))
        return self._load(report, link)

    def model_key(self, report: Report) -> str:
        """Key of a report's network: of its training's events too."""
        return next(one.key for one in chain_of(report, self.runs) if one.kind == "Model")

    def split(self, report: Report) -> Split:
        """Read the split that was measured; raises WorkError where its images have changed."""
        row = dataset_row(report["job"]["dataset"])
        row = dataset_row(row.base) if row.base else row
        split = row.read(row.prepare(self.data))
        if digest(image_identity(row, self.data)) != report["spec"]["extraction"]["images"]:
            raise WorkError(
                f"the images of report {report['key']} ({row.name}) have changed since, or are not "
                f"in {self.data}: name their folder with --data, or make a new report: "
                f"{self.run_line(report)}"
            )
        return split

    def run_line(self, report: Report, *options: str) -> str:
        """The command that makes a report."""
        job = report["job"]
        words = [f"{axis}={job[axis]}" for axis in AXES if job[axis] is not None]
        skip = ["--skip-bad-images"] * report["spec"]["extraction"]["skip_bad_images"]
        places = ["--runs", str(self.runs), "--data", str(self.data)]
        return shlex.join(["bench", "run", *words, *options, *skip, *places])

    def _load(self, report: Report, link: Link) -> Floats:
        path = self.runs / str(link.artifact) / DESCRIPTORS
        try:
            loaded: Floats = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise WorkError(f"cannot read {path} ({error}); {self._how(report)}") from error
        return loaded

    def _gone(self, report: Report, what: str) -> str:
        job = report["job"]
        return (
            f"{what} of {job['dataset']} {job['backbone']} {job['loss']} ({report['key']}) are "
            f"gone from {self.runs}; {self._how(report)}"
        )

    def _how(self, report: Report) -> str:
        """Not with --force, which would train again what is only to be projected again."""
        path = report_path(self.runs, report["key"])
        return f"make them again: remove {path}, then {self.run_line(report)}"
