"""Check: read a baseline and a run folder, print what became of it, write the pages asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from results.files import write_text
from results.gate.baseline import Entry, baseline_text, read_baseline
from results.gate.junit import as_junit
from results.gate.pages import as_markdown, as_rich
from results.gate.regress import Rules, check_run
from results.gate.run_entries import check_metrics, failed_cells, finished_cells
from results.gate.update import update_lines
from results.render import terminal


def check_baseline(
    path: Path, runs: Path, rules: Rules, *, markdown: Path | None, junit: Path | None
) -> bool:
    """Hold a run to a baseline and say so everywhere; whether it fails.

    Raises ResultsError where there is no baseline, or no run.
    """
    baseline = read_baseline(path)
    check_metrics(rules.metrics, baseline)
    finished = finished_cells(runs, _metrics(baseline))
    check = check_run(baseline, finished, rules, failed_cells(runs))
    terminal().print(as_rich(check))
    if markdown:
        write_text(as_markdown(check), markdown)
    if junit:
        write_text(as_junit(check), junit)
    return check.red


def update_baseline(path: Path, runs: Path, asked: Sequence[str]) -> None:
    """Write a run's cells as the baseline, with the metrics that it had, and print the changes."""
    old = read_baseline(path) if path.exists() else []
    entries = [cell.entry for cell in finished_cells(runs, {*_metrics(old), *asked})]
    check_metrics(asked, entries)
    write_text(baseline_text(entries), path)
    for line in update_lines(old, entries):
        terminal().print(line, markup=False, highlight=False, soft_wrap=True)


def _metrics(entries: Sequence[Entry]) -> set[str]:
    return {name for entry in entries for name in entry.metrics}
