"""Outcome lines: a metric query by query, as text in which one flipped query is one changed line.

Legend: Q queries. Outcomes are counted in ten-thousandths, so that they are whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from results.outcomes import Doubles, Places

WHOLE = 10_000
"""An outcome of 1."""
BITS_A_LINE, VALUES_A_LINE = 64, 16
FEW = 1 / 16
"""Share of fractions (ties) up to which a metric of successes is still written in bits."""


def counted(per_query: Doubles) -> Places:
    """(Q,) outcomes in ten-thousandths, 0 to 10,000."""
    return np.rint(per_query * WHOLE).astype(np.int64)


def encoded(outcomes: Places) -> dict[str, Any]:
    """Write outcomes as bits (R@K: one a query, 1 is a success) or, where graded, as values.

    bits: hexadecimal digits of four queries each, the first query the highest bit, 64 a line; the
    last digit is filled up with 0. fractions: the outcomes that are neither, by position.
    values: ten-thousandths, 16 a line.
    """
    fractions = np.flatnonzero((outcomes != 0) & (outcomes != WHOLE))
    if len(fractions) > FEW * len(outcomes):
        return {"values": [" ".join(map(str, line)) for line in _lines(outcomes, VALUES_A_LINE)]}
    lines = [_hexadecimal(line == WHOLE) for line in _lines(outcomes, BITS_A_LINE)]
    apart = {str(place): int(outcomes[place]) for place in fractions}
    return {"bits": lines, **({"fractions": apart} if apart else {})}


def decoded(entry: Mapping[str, Any], count: int) -> Places:
    """Read the outcomes of so many queries; raises ValueError that says what is wrong."""
    if "values" in entry:
        words = " ".join(entry["values"]).split()
        outcomes = np.array([int(word) for word in words], dtype=np.int64)
    else:
        outcomes = _bits(entry["bits"], count) * WHOLE
        for place, value in entry.get("fractions", {}).items():
            if not 0 <= int(place) < count:
                raise ValueError(f"there is no query {place}")
            outcomes[int(place)] = int(value)
    if len(outcomes) != count:
        raise ValueError(f"{len(outcomes)} outcomes for {count} queries")
    if ((outcomes < 0) | (outcomes > WHOLE)).any():
        raise ValueError(f"an outcome is not between 0 and {WHOLE}")
    return outcomes


def _lines(outcomes: Places, length: int) -> list[Places]:
    return [outcomes[start : start + length] for start in range(0, len(outcomes), length)]


def _hexadecimal(successes: np.ndarray) -> str:
    digits = -(-len(successes) // 4)
    return np.packbits(successes).tobytes().hex()[:digits]


def _bits(lines: list[str], count: int) -> Places:
    digits, each = -(-count // 4), BITS_A_LINE // 4
    text = "".join(lines)
    if len(text) != digits or lines != [text[at : at + each] for at in range(0, digits, each)]:
        raise ValueError(
            f"bits of {count} queries are {digits} digits, {each} a line, here are {len(text)}"
        )
    packed = np.frombuffer(bytes.fromhex(text + "0" * (len(text) % 2)), dtype=np.uint8)
    bits = np.unpackbits(packed).astype(np.int64)
    if bits[count:].any():
        raise ValueError(f"bits after the last of {count} queries are not 0")
    return bits[:count]
