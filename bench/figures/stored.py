"""Stored: what finished cells have left in a run folder that a figure is computed from.

Nothing here imports torch, and nothing is computed again.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
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

        Distractors are not among them; rows of unreadable images are 0. Raises WorkError where they
        cannot be read.
        """
        path = self.runs / str(self._link(report, "Descriptors").artifact) / DESCRIPTORS
        try:
            loaded: Floats = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise WorkError(f"cannot read {path} ({error}); {self._how([report])}") from error
        return loaded

    def require_descriptors(self, reports: Sequence[Report]) -> None:
        """Raise WorkError, with the commands that make them again, where any are gone."""
        links = ((report, self._link(report, "Descriptors")) for report in reports)
        gone = [report for report, link in links if link.artifact is None or link.gone]
        if gone:
            raise WorkError(
                f"the descriptors of {len(gone)} of {len(reports)} cells are gone from {self.runs} "
                f"(bench clean frees them); {self._how(gone)}"
            )

    def model_key(self, report: Report) -> str:
        """Key of a report's network: of its training's events too."""
        return self._link(report, "Model").key

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

    def _link(self, report: Report, kind: str) -> Link:
        """A report's first stage of a kind: of descriptors its own, before those of distractors."""
        return next(link for link in chain_of(report, self.runs) if link.kind == kind)

    def _how(self, reports: Sequence[Report]) -> str:
        """Not with --force, which would train again what is only to be projected again."""
        paths = shlex.join(str(report_path(self.runs, report["key"])) for report in reports)
        lines = "\n  ".join(map(self.run_line, reports))
        return f"make them again:\n  rm {paths}\n  {lines}"
