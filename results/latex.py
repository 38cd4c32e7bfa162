"""LaTeX: a table to paste into a paper, with booktabs; names beyond Latin need a Unicode engine.

Rules between groups, a line under what stands above several columns, the best number bold, the
second underlined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from results.table import Emphasis, Table

ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{sign: f"\\{sign}" for sign in "%#_&$"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar\allowbreak{}",  # signatures have no blanks at which a line could end
    "‡": r"\ensuremath{^{\ddagger}}",
    "†": r"\ensuremath{^{\dagger}}",
    "*": r"\ensuremath{^{*}}",
    "↑": r"\ensuremath{^{\uparrow}}",
    "↓": r"\ensuremath{^{\downarrow}}",
    "≈": r"\ensuremath{^{\approx}}",
    "→": r"\ensuremath{\rightarrow}",
    "≠": r"\ensuremath{\neq}",
    "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}",
    "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}",
    "·": r"\ensuremath{\cdot}",
    "−": r"\ensuremath{-}",
    "Δ": r"\ensuremath{\Delta}",
    "λ": r"\ensuremath{\lambda}",
    "β": r"\ensuremath{\beta}",
    "γ": r"\ensuremath{\gamma}",
    "²": r"\ensuremath{^2}",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
}
MINUS = re.compile(r"(?<![\w.])-(?=\d)")
"""A hyphen that is a minus."""
SHAPES: dict[Emphasis, str] = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}


def as_latex(table: Table) -> str:
    """Render a tabular with its notes below it."""
    numeric = [is_numeric(column) for column in zip(*table.body, strict=True)]
    lines = [
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{''.join('r' if found else 'l' for found in numeric)}}}",
        r"\toprule",
        *_above(table),
        _line(escaped(table.label(column)) for column in range(len(table.headers))),
        r"\midrule",
        *_rows(table),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    small = r"\footnotesize\noindent\raggedright"  # signatures break, but do not stretch
    notes = [rf"\par{{{small} {escaped(note)}\par}}" for note in table.notes]
    return "\n".join([*lines, *notes]) + "\n"


def escaped(text: str) -> str:
    """Make text harmless, and signs that fonts lack mathematics."""
    return "".join(ESCAPES.get(sign, sign if sign.isprintable() else " ") for sign in text)


def is_numeric(column: Iterable[str]) -> bool:
    """Whether a column holds numbers, or signs that there are none: it is aligned to the right."""
    return all(cell.lstrip("[<+-−")[:1].isdigit() or cell in ("--", "-", "") for cell in column)


def _above(table: Table) -> list[str]:
    """The line of what stands above the headers, and the rules under it."""
    spans = table.spans()
    if not spans:
        return []
    cells, place = [], 0
    for title, first, last in spans:
        cells += [""] * (first - place)
        cells.append(rf"\multicolumn{{{last - first + 1}}}{{c}}{{{escaped(title)}}}")
        place = last + 1
    cells += [""] * (len(table.headers) - place)
    rules = [rf"\cmidrule(lr){{{first + 1}-{last + 1}}}" for _, first, last in spans]
    return [_line(cells), " ".join(rules)]


def _rows(table: Table) -> list[str]:
    lines: list[str] = []
    starts = table.group_starts()
    for row, cells in enumerate(table.body):
        if row in starts:
            lines += [r"\midrule"] if row else []
            title = rf"\multicolumn{{{len(cells)}}}{{l}}{{\textit{{{escaped(starts[row])}}}}}"
            lines.append(title + r" \\")
        lines.append(
            _line(
                SHAPES[table.emphasis_of(row, column)].format(escaped(MINUS.sub("−", cell)))
                for column, cell in enumerate(cells)
            )
        )
    return lines


def _line(cells: Iterable[str]) -> str:
    line = " & ".join(cells) + r" \\"
    # Even on the next line, LaTeX takes a bracket for an option of the rule or the row before.
    return "{}" + line if line.startswith("[") else line
