"""Paper notes: what is said under a table of the paper that has our numbers in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from results.beside import DELTA, UNLIKE
from results.names import by_title
from results.notes import TWINS, table_notes
from results.paper.layouts import Layout
from results.paper.stand_ins import Found, StandIn
from results.published import notes_of
from results.published_file import VARIANT
from results.signatures import VARIES, signature_notes

CITATION = "El-Nouby et al. 2021, arXiv 2102.05644"
OF_TWIN = "°"
MOST_VALUES = 3


def notes_under(
    name: str, layout: Layout, found: Found, signs: Sequence[str], gaps: Sequence[str]
) -> list[str]:
    """Say what is ours and how it was measured, the gaps to the paper, and the paper's own.

    signs: what the signs of the cells stand for.
    """
    shown, reports = list(found.stand_ins.values()), found.reports
    how = table_notes(reports, VARIANT, ["dataset"]) if len(reports) else []
    signed = [f"{OF_TWIN} {note}" if note == TWINS else note for note in how]
    measured = signature_notes(by_title(reports, ["dataset"])) if len(reports) else []
    return [
        f"{layout.title}: paper is {CITATION}, as printed; {DELTA} is ours - paper",
        *signed,
        *_seeds(shown),
        *signs,
        *_unlike(shown),
        *_left_out(found),
        *(f"gap to the paper: {gap}" for gap in gaps),
        *(f"paper: {note}" for note in notes_of([name]) if not _said(note, gaps)),
        *measured,
    ]


def _said(note: str, gaps: Sequence[str]) -> bool:
    """Whether a gap says the same, and then what ours is."""
    return any(gap.startswith(note) for gap in gaps)


def _seeds(shown: Sequence[StandIn]) -> Iterator[str]:
    if any(one.cell.spread is not None for one in shown):
        yield "± is the standard deviation over seeds"


def _unlike(shown: Sequence[StandIn]) -> Iterator[str]:
    """Name every field in which ours were measured otherwise, and those the paper leaves open."""
    values: dict[str, list[str]] = {}
    for one in shown:
        for found in one.published.differences:
            values.setdefault(found.field, []).append(f"{found.usual} / {found.other}")
    if values:
        fields = (f"{field} ({_some(texts)})" for field, texts in values.items())
        yield f"{UNLIKE} not measured alike (paper / ours): {', '.join(fields)}"
    unsaid = dict.fromkeys(field for one in shown for field in one.published.unsaid)
    if unsaid:
        yield f"unsaid in the paper, not compared: {', '.join(unsaid)}"


def _some(texts: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(texts))
    return ", ".join(distinct[:MOST_VALUES] + ([VARIES] if len(distinct) > MOST_VALUES else []))


def _left_out(found: Found) -> Iterator[str]:
    rivals = sum(one.rivals > 0 for one in found.stand_ins.values())
    if rivals:
        yield (
            f"{rivals} of ours could be of several cells: shown is what is on real images, then "
            "what is measured most alike, then the newest"
        )
    if found.unused:
        yield f"finished cells that stand for nothing in it: {found.unused}"
