"""Report figures: what bench report draws for papers, where its file's name ends so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import UsageError
from results.chosen import check_finished
from results.events import Events, events_path, read_events
from results.page.view import family_of
from results.plotting.plots import ablation_figure, curves_figure, pareto_figure
from results.plotting.style import SUFFIXES, save
from results.store import ResultsError, read_reports

if TYPE_CHECKING:
    import pandas as pd


MOST_NARROW = 2
"""Datasets side by side in one column of a paper; more take two."""


def is_figure(output: Path | None) -> bool:
    """Whether a file's name asks for a figure."""
    return output is not None and output.suffix.lower() in SUFFIXES


def draw_front(frame: pd.DataFrame, cost: str, metrics: Sequence[str], output: Path) -> None:
    """Draw the front over a cost, a panel for each dataset."""
    check_finished(frame)
    save(pareto_figure(frame, cost, _metric(frame, metrics), family=family_of), output)


def draw_ablations(frame: pd.DataFrame, metrics: Sequence[str], output: Path) -> None:
    """Draw what each axis does: small multiples."""
    check_finished(frame)
    metric = _metric(frame, metrics)
    datasets = frame[frame[metric].notna()]["dataset"].nunique() if metric in frame else 0
    save(ablation_figure(frame, metric, columns=2 if datasets > MOST_NARROW else 1), output)


def draw_curves(frame: pd.DataFrame, runs: Path, output: Path) -> None:
    """Draw what the trainings behind the reports have logged, step by step."""
    check_finished(frame)
    found = _trainings(runs, set(frame["key"]))
    if not found:
        raise ResultsError("no training is behind the finished cells, or its log is gone")
    save(curves_figure(found), output)


def no_figure(output: Path) -> UsageError:
    """Say what could be drawn."""
    return UsageError(
        f"-o {output} is a figure: say of what, with --pareto COST, --effects, --curves or "
        "--preset irt-fig2"
    )


def _metric(frame: pd.DataFrame, metrics: Sequence[str]) -> str:
    """The one asked for, or that by which the first dataset is quoted."""
    if len(metrics) > 1:
        raise UsageError(f"--metric {','.join(metrics)}: a figure shows one; name one")
    return metrics[0] if metrics else str(frame["headline"].iloc[0][0])


def _trainings(runs: Path, keys: set[str]) -> dict[str, Events]:
    """Events of each trained model, by what tells it from the others."""
    found: dict[str, Events] = {}
    seen: set[str] = set()
    for report in read_reports(runs, keys):
        key, job = report["spec"]["extraction"]["model"], report["job"]
        path = events_path(runs, key)
        if key in seen or not path.is_file():
            continue
        seen.add(key)
        label = " ".join(str(job[axis]) for axis in ("backbone", "loss"))
        found[label if label not in found else f"{label} {key[:6]}"] = read_events(path)
    return found
