"""Plan: jobs -> the stages they share, what is done, what is pruned, and what it will cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.execution.artifacts import Artifacts
from bench.identity import Extraction, Fit, Model, Scores, Stage, report_key, scores_of
from bench.job import Job, Pruned, resolve
from bench.matrix import Cell, Matrix, excluded_by
from registry.datasets import source_row
from registry.errors import BenchError
from results.store import reports_folder


@dataclass(frozen=True)
class Planned:
    """A job, its report's key and the stages that lead to it."""

    job: Job
    key: str
    scores: Scores
    typed: tuple[Cell, ...] = field(default=(), compare=False)
    """The cells of the matrix that it stands for: more than one where an axis does not matter."""

    def stages(self) -> list[Stage]:
        """Every stage it needs, in the order of doing; an extraction yields all its features."""
        fit = self.scores.descriptors.fit
        found: list[Stage] = [self.scores.descriptors.features.extraction.model]
        if fit is not None:
            found += [fit.features.extraction, fit]
        for part in self.scores.parts():
            found += [part.features.extraction, part]
        return list(dict.fromkeys([*found, self.scores]))


@dataclass(frozen=True)
class Plan:
    """Everything that a command will do, in the order it will be done."""

    cells: Sequence[Planned]
    pruned: Sequence[tuple[str, str]]
    """Cell as typed, reason."""
    duplicates: int
    """Cells that turned out to be another one: an axis they differ in does not matter there."""

    def trainings(self) -> list[Model]:
        """Distinct networks to train."""
        models = (cell.scores.descriptors.features.extraction.model for cell in self.cells)
        return list(dict.fromkeys(model for model in models if model.training))

    def extractions(self) -> list[Extraction]:
        """Distinct passes over evaluated images, distractors among them."""
        return list(
            dict.fromkeys(
                features.extraction
                for cell in self.cells
                for features in cell.scores.features()
                if features.extraction.part == "evaluated"
            )
        )

    def fits(self) -> list[Fit]:
        """Distinct projections to fit."""
        fits = (cell.scores.descriptors.fit for cell in self.cells)
        return list(dict.fromkeys(fit for fit in fits if fit))

    def poolings(self) -> dict[Extraction, list[str]]:
        """Every pooling that an extraction must yield: one pass serves them all."""
        wanted: dict[Extraction, list[str]] = {}
        for cell in self.cells:
            for features in cell.scores.features():
                names = wanted.setdefault(features.extraction, [])
                if features.pooling not in names:
                    names.append(features.pooling)
        return wanted

    def done(self, runs: Path) -> list[Planned]:
        """Cells whose reports are there."""
        there = {path.stem for path in reports_folder(runs).glob("*.json")}
        return [cell for cell in self.cells if cell.key in there]


def make_plan(matrix: Matrix, *, skip_bad_images: bool, data: Path | None = None) -> Plan:
    """Resolve every cell of a matrix; raises UsageError for values that cannot be used.

    data is where real datasets are looked for; their images are part of what makes a cell done.
    """
    cells: dict[str, Planned] = {}
    typed: dict[str, list[Cell]] = {}
    pruned: list[tuple[str, str]] = []
    for cell in matrix.cells():
        text = " ".join(f"{axis}={value}" for axis, value in cell.items())
        resolved = _resolved(cell, matrix)
        if isinstance(resolved, Pruned):
            pruned.append((text, resolved.reason))
            continue
        scores = scores_of(resolved, skip_bad_images=skip_bad_images, data=data)
        key = report_key(resolved, scores)
        typed.setdefault(key, []).append(cell)
        cells.setdefault(key, Planned(resolved, key, scores))
    return Plan(
        cells=[replace(planned, typed=tuple(typed[key])) for key, planned in cells.items()],
        pruned=pruned,
        duplicates=sum(map(len, typed.values())) - len(cells),
    )


def _resolved(cell: Mapping[str, str], matrix: Matrix) -> Job | Pruned:
    """Resolve a cell, unless a rule of --exclude drops it, as typed or as resolved."""
    rule = excluded_by(cell, {}, matrix)
    resolved = Pruned(f"--exclude {rule}") if rule else resolve(cell)
    if isinstance(resolved, Job):
        rule = excluded_by(cell, resolved.matched() if matrix.exclude else {}, matrix)
        return Pruned(f"--exclude {rule}") if rule else resolved
    return resolved


def summary(plan: Plan) -> str:
    """Say in one line how many cells there are and what work they share."""
    trainings, fits = plan.trainings(), plan.fits()
    parts = [counted(len(trainings), "training")] if trainings else []
    parts += [
        counted(len(plan.extractions()), "extraction"),
        counted(len({cell.scores for cell in plan.cells}), "scoring"),
    ]
    fitted = f" (and {counted(len(fits), 'PCA fit')})" if fits else ""
    return f"{counted(len(plan.cells), 'cell')} = {' + '.join(parts)}{fitted}"


def missing_data(plan: Plan, data: Path) -> list[str]:
    """Say of each real dataset that a plan reads and that cannot be found what to do."""
    trained = (model.training.train for model in plan.trainings() if model.training)
    extracted = (
        features.extraction.dataset for cell in plan.cells for features in cell.scores.features()
    )
    messages = []
    for name in dict.fromkeys([*trained, *extracted]):
        row = source_row(name)
        try:
            if not row.pinned:
                row.read(row.prepare(data))
        except BenchError as error:
            messages.append(str(error))
    return messages


def reasons(plan: Plan) -> Mapping[str, int]:
    """Reason for pruning -> number of cells."""
    return Counter(reason for _, reason in plan.pruned)


def counted(n: int, noun: str) -> str:
    """Say how many there are of something."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def stages_left(plan: Plan, runs: Path) -> dict[str, tuple[int, int]]:
    """Stage -> how many distinct ones the plan needs, how many of them are not done."""
    artifacts = Artifacts(runs)
    wanted = plan.poolings()
    done = {cell.key for cell in plan.done(runs)}
    trainings, fits = plan.trainings(), plan.fits()
    extractions = plan.extractions()
    return {
        "training": (
            len(trainings),
            sum(not artifacts.has(model) for model in trainings),
        ),
        "PCA fit": (len(fits), sum(not artifacts.has(fit) for fit in fits)),
        "extraction": (
            len(extractions),
            sum(not artifacts.has_features(stage, wanted[stage]) for stage in extractions),
        ),
        "scoring": (len(plan.cells), sum(cell.key not in done for cell in plan.cells)),
    }
