"""The doctor's page: counts beside the published ones, then every check, then one line."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.doctor.examination import Examination

SIGNS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "problem": ("PROBLEM", "bold red")}


def show(examination: Examination, console: Console) -> None:
    """Print the page of one dataset."""
    if examination.counts is not None:
        console.print(_counts(examination))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in examination.findings:
        sign, style = SIGNS[finding.verdict]
        advice = f"\n→ {finding.advice}" if finding.advice and finding.verdict != "ok" else ""
        table.add_row(Text(sign, style), Text(finding.check), Text(finding.text + advice))
    console.print(table)
    console.print()


def _counts(examination: Examination) -> Table:
    expected = "published" if examination.row.official else "expected"
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(examination.row.title)
    table.add_column(expected, justify="right")
    table.add_column("found", justify="right")
    assert examination.counts is not None
    found = asdict(examination.counts)
    for name, value in asdict(examination.row.counts).items():
        if value or found[name]:
            style = "" if value in (None, found[name]) else "bold red"
            shown = "" if value is None else f"{value:,}"
            table.add_row(name.replace("_", " "), shown, Text(f"{found[name]:,}", style))
    return table
