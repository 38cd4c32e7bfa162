"""Stored: a finished report, the job it is of, and what its run folder still holds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.delta.similarities import Floats, Positions, Stack
from bench.execution.artifacts import Artifacts, read_json
from bench.identity import Descriptors, Features, Fit, Scores, report_key, scores_of
from bench.job import Job
from bench.stages.descriptors import DESCRIPTORS
from bench.stages.features import BAD
from registry.datasets import Dataset, dataset_row, source_row
from registry.datasets.split import Split
from registry.errors import WorkError


@dataclass(frozen=True)
class Stored:
    """What one report rests on. Nothing here is ever computed again."""

    report: Mapping[str, Any]
    job: Job
    scores: Scores
    runs: Path
    data: Path

    @property
    def row(self) -> Dataset:
        """The dataset that was measured."""
        return dataset_row(self.job.dataset)

    @property
    def artifacts(self) -> Artifacts:
        """Those of the run folder."""
        return Artifacts(self.runs)

    @cached_property
    def split(self) -> Split:
        """The dataset's split, distractors in its gallery, unreadable images left out."""
        split = self._read(self.scores.dataset)
        if self.scores.distractors is not None:
            more = self.scores.distractors.features.extraction.dataset
            split = split.with_distractors(self._read(more).evaluated)
        return split.without(self.bad)

    @cached_property
    def bad(self) -> Positions:
        """Positions of the images that could not be read, those of distractors after the others."""
        parts, first = [], 0
        for part in self.scores.parts():
            parts.append(first + self.bad_of(part.features))
            first += len(self._read(part.features.extraction.dataset).evaluated)
        return np.concatenate(parts)

    def bad_of(self, features: Features) -> Positions:
        """Positions of unreadable images in one extraction; its features know them."""
        if not self.report["counts"]["bad_images"]:
            return np.empty(0, dtype=np.int64)
        if not self.artifacts.has(features):
            raise WorkError(
                f"the features of {self.job.label} are gone, which know the images that were left "
                f"out; make them again: {self.run_line(self.job, again=True)}"
            )
        found = read_json(self.artifacts.path(features) / BAD)
        return np.array(sorted(int(position) for position in found), dtype=np.int64)

    def vectors(self, scores: Scores) -> Stack | None:
        """Descriptors of the evaluated images and then of distractors; None where any is gone."""
        if not all(self.artifacts.has(part) for part in scores.parts()):
            return None
        return Stack([self.load(part, DESCRIPTORS) for part in scores.parts()])

    def load(self, stage: Descriptors | Features | Fit, name: str) -> Floats:
        """Map an array of an artifact into memory; a damaged one is a WorkError."""
        path = self.artifacts.path(stage) / name
        try:
            loaded: Floats = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise WorkError(
                f"cannot read {path} ({error}); make it again: "
                f"{self.run_line(self.job, again=True)}"
            ) from error
        return loaded

    def scores_cropped(self, crop: str) -> tuple[Job, Scores]:
        """The same job with another crop of its queries, and the stages that lead to it."""
        job = replace(self.job, crop=crop)
        skip = bool(self.report["spec"]["extraction"]["skip_bad_images"])
        return job, scores_of(job, skip_bad_images=skip, data=self.data)

    def run_line(self, job: Job, *, again: bool = False) -> str:
        """The command that makes a job's artifacts; again: though its report is there."""
        skip = self.report["spec"]["extraction"]["skip_bad_images"]
        words = [f"{axis}={value}" for axis, value in job.values().items() if value is not None]
        options = ["--force"] * again + ["--skip-bad-images"] * skip
        places = ["--runs", str(self.runs), "--data", str(self.data)]
        return shlex.join(["bench", "run", *words, *options, *places])

    def _read(self, dataset: str) -> Split:
        row = source_row(dataset)
        return row.read(row.prepare(self.data))


def stored(report: Mapping[str, Any], runs: Path, data: Path) -> Stored:
    """Rebuild a report's job and stages; raises WorkError where they are no longer the same."""
    job = Job(**{axis.name: report["job"][axis.name] for axis in fields(Job)})
    skip = bool(report["spec"]["extraction"]["skip_bad_images"])
    found = Stored(report, job, scores_of(job, skip_bad_images=skip, data=data), runs, data)
    if report_key(job, found.scores) != report["key"]:
        raise WorkError(
            f"the inputs of report {report['key']} ({job.label}) have changed since, or are not in "
            f"{data}: images, weights, or this program's version of a stage. Name their folder "
            f"with --data, or make a new report: {found.run_line(job)}"
        )
    return found
