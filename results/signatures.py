"""Signatures: which reports were measured alike, and what a table says of those that were not.

A report's signature is name:value|name:value…, one line that says how its numbers were measured;
the sentences behind it are the columns protocol.FIELD.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results.store import ResultsError

if TYPE_CHECKING:
    import pandas as pd

SIGN = "#"
FIELD = "protocol."
HAVE_MARKS = ("transductive", "bad_images", "selection")
"""Protocol fields that a mark of their own already tells: only strict tables refuse them."""
NO_PART_OF_A_NUMBER = ("dataset_verified",)
"""Protocol fields that are in no signature: they say nothing of how a number was measured."""
VARIES = "…"
"""In place of a token in which reports of a dataset differ: that is what a table compares."""
MOST_VALUES = 3


class MixedProtocolsError(ResultsError):
    """A strict table that would hold numbers measured in different ways."""

    exit_code = 1


@dataclass(frozen=True)
class Difference:
    """A field in which reports differ that should agree: what most say, and what this one says."""

    field: str
    usual: str
    other: str


def mark_protocols(frame: pd.DataFrame) -> pd.DataFrame:
    """Add card, all that a signature says, and odd_protocol: differences to most of a dataset's.

    Only fields of the fingerprint make a report odd: what axes vary is meant to differ.
    """
    import pandas as pd

    frame = frame.reset_index(drop=True)  # of frames put together, two rows have one index
    rows = frame.to_dict("records")
    compared = pd.Series([_compared(row) for row in rows], frame.index, dtype=object)
    odd: dict[Any, list[Difference]] = {}
    for _, group in compared.groupby(frame["dataset"], sort=False):
        usual = Counter(map(_untold, group)).most_common(1)[0][0]
        reference = next(fields for fields in group if _untold(fields) == usual)
        odd |= {index: _differences(fields, reference) for index, fields in group.items()}
    return frame.assign(
        card=pd.Series([_signed(row) for row in rows], frame.index, dtype=object),
        odd_protocol=pd.Series(odd, dtype=object),
    )


def differences_in(cell: pd.DataFrame) -> list[Difference]:
    """What is wrong with one cell's reports: other protocols than their column's, or several.

    Reports that are averaged, seeds, must agree in everything that is in their signature.
    """
    found = [difference for odd in cell["odd_protocol"] for difference in odd]
    first, *others = cell["card"]
    found += [difference for other in others for difference in _differences(other, first)]
    return list(dict.fromkeys(found))


def untold(differences: Iterable[Difference]) -> list[Difference]:
    """Those that no mark of their own tells."""
    return [difference for difference in differences if difference.field not in HAVE_MARKS]


def mixed_note(differences: Sequence[Difference]) -> str:
    """Explain the sign: every differing field with the values it takes."""
    return f"{SIGN} measured under another protocol than the rest of its column: " + _named(
        differences
    )


def refuse_mixed(columns: Iterable[tuple[str, Sequence[Difference]]]) -> None:
    """Raise MixedProtocolsError if a column, named by its header, holds any difference."""
    mixed = [f"{header}: {_named(found)}" for header, found in columns if found]
    if mixed:
        raise MixedProtocolsError(
            f"columns mix protocols: {'; '.join(mixed)}; run the odd cells again under the same "
            "protocol, or leave --strict out to have them marked"
        )


def signature_notes(datasets: Sequence[tuple[str, pd.DataFrame]]) -> list[str]:
    """Say how the reports of a table were measured: what its datasets share, then each one's own.

    Not by column: where columns differ in more than that, an axis means them to.
    """
    tokens = [_tokens(group) for _, group in datasets]
    names = list(dict.fromkeys(name for found in tokens for name in found))
    shared = [name for name in names if len({found.get(name) for found in tokens}) == 1]
    own = [name for name in names if name not in shared]
    notes = [f"signature: {_joined(tokens[0], shared)}"] if shared else []
    if own:
        titled = zip(datasets, tokens, strict=True)
        each = "; ".join(f"{title} {_joined(found, own)}" for (title, _), found in titled)
        notes.append(f"signature by dataset: {each}")
    return notes


def _compared(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """The fields of a report that must agree. A choice on the test images is to none but itself."""
    fields = {name: str(row[FIELD + name]) for name in row["fingerprint_fields"]}
    chosen = "on the evaluated images" if "test-selected" in row["marks"] else "not on them"
    return fields | {"selection": chosen}


def _signed(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """All fields of a report's card that its signature says."""
    names = [str(name) for name in row if str(name).startswith(FIELD)]
    fields = {name.removeprefix(FIELD): str(row[name]) for name in names}
    return {name: text for name, text in fields.items() if name not in NO_PART_OF_A_NUMBER}


def _untold(fields: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, fields[name]) for name in sorted(fields) if name not in HAVE_MARKS)


def _differences(fields: Mapping[str, str], reference: Mapping[str, str]) -> list[Difference]:
    names = dict.fromkeys([*reference, *fields])
    pairs = ((name, reference.get(name, "unsaid"), fields.get(name, "unsaid")) for name in names)
    return [Difference(name, usual, other) for name, usual, other in pairs if usual != other]


def _named(differences: Sequence[Difference]) -> str:
    """ties (expected / optimistic), split (official / folder)."""
    values: dict[str, list[str]] = {}
    for found in differences:
        values.setdefault(found.field, []).extend((found.usual, found.other))
    return ", ".join(f"{field} ({_some(texts)})" for field, texts in values.items())


def _some(texts: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(texts))
    shown = distinct[:MOST_VALUES] + ([VARIES] if len(distinct) > MOST_VALUES else [])
    return " / ".join(shown)


def _tokens(group: pd.DataFrame) -> dict[str, str]:
    """Token by name of a dataset's usual reports; odd ones have a sign and a note."""
    odd = group["odd_protocol"].map(lambda found: bool(untold(found)))
    usual = group if odd.all() else group[~odd]
    values: dict[str, list[str]] = {}
    for signature in usual["signature"].unique():
        for name, _, value in (token.partition(":") for token in signature.split("|")):
            values.setdefault(name, []).append(value)
    return {name: found[0] if len(set(found)) == 1 else VARIES for name, found in values.items()}


def _joined(tokens: Mapping[str, str], names: Iterable[str]) -> str:
    return "|".join(f"{name}:{tokens[name]}" for name in names if name in tokens)
