"""Tables: reports pivoted into rows of axes and columns of metrics, in several formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results.store import ResultsError, unknown

if TYPE_CHECKING:
    import pandas as pd

AXES = (
    "dataset",
    "train",
    "backbone",
    "weights",
    "pooling",
    "loss",
    "recipe",
    "resolution",
    "transform",
    "crop",
    "dims",
    "projection",
    "seed",
)
ROWS = ("backbone", "dims")
"""Row axes where none are asked for; others that vary join them."""
COSTS = {
    "parameters": ("params (M)", 1e-6, ".1f"),
    "gmacs": ("GMACs", 1.0, ".2f"),
    "bytes_per_image": ("bytes", 1.0, ".0f"),
}
SHORT = {"map_easy": "E", "map_medium": "M", "map_hard": "H"}
MARKS = {
    "tied": ("=", "most queries have ties: the descriptors are constant, or nearly"),
    "transductive": ("*", "projection fitted on the evaluated images (transductive)"),
    "not ok": ("!", "the doctor found something wrong with the dataset: bench data verify"),
    "drawn training": ("†", "trained or fitted on drawn images (a twin)"),
    "seen classes": ("~", "trained or fitted on images of the evaluated classes"),
    "bad images left out": ("+", "unreadable images were left out; their number is in the report"),
}
HAVE_MARKS = ("transductive", "bad_images")
"""Protocol fields that a mark of their own already tells."""
OTHER_PROTOCOL = "#"
SUBSET = "subset: a part of a dataset, easier than the whole and not to be compared with it"
TWINS = "twin: drawn by code, no number of the real dataset"


@dataclass(frozen=True)
class Table:
    """Text cells and the numbers behind them. The marks of a cell are explained in the notes."""

    headers: list[str]
    body: list[list[str]]
    numbers: pd.DataFrame
    """The same cells unrounded: metrics in per cent, costs in their column's unit."""
    notes: list[str]
    marks: list[str]
    """Of each row: header and marks of its marked cells."""


@dataclass(frozen=True)
class Column:
    """One metric under one combination of column axes."""

    header: str
    where: dict[str, Any]
    metric: str


def make_table(
    frame: pd.DataFrame,
    *,
    rows: Sequence[str] = (),
    cols: Sequence[str] = ("dataset",),
    metrics: Sequence[str] = (),
) -> Table:
    """Pivot reports; metrics default to those by which each dataset is quoted.

    Seeds that share a cell are averaged; raises ResultsError where anything else would be.
    """
    import pandas as pd

    if frame.empty:
        raise ResultsError("there are no finished cells yet: bench run makes some")
    _check_axes([*rows, *cols])
    frame, older = _newest(mark_protocols(frame.sort_values("finished", kind="stable")))
    row_axes = list(rows) or _row_axes(frame, cols)
    columns = _columns(frame, list(cols), list(metrics))
    costs = [name for name in COSTS if _one_per_row(frame, row_axes, name)]
    body, numbers, marks, used = [], [], [], set[str]()
    for values, group in frame.groupby(row_axes, sort=False, dropna=False):
        shown = [_plain(value) for value in values]
        costed = [float(group[name].iloc[0]) * COSTS[name][1] for name in costs]
        cells = [_cell(group, column) for column in columns]
        formats = zip(costed, costs, strict=True)
        texts = [format(value, COSTS[name][2]) for value, name in formats]
        body.append([*shown, *texts, *(cell.text for cell in cells)])
        numbers.append([*shown, *costed, *(cell.value for cell in cells)])
        marked = zip(columns, cells, strict=True)
        marks.append("; ".join(f"{c.header} {''.join(x.marks)}" for c, x in marked if x.marks))
        used.update(mark for cell in cells for mark in cell.marks)
    headers = [*row_axes, *(COSTS[name][0] for name in costs), *(c.header for c in columns)]
    return Table(
        headers=headers,
        body=body,
        numbers=pd.DataFrame(numbers, columns=headers),
        notes=[*_notes(frame, row_axes, cols, used), *older],
        marks=marks,
    )


def _newest(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep the last report of each combination of axes: others are of changed images or weights.

    Reports that agree in every axis are no seeds, so they are not to be averaged.
    """
    kept = frame.drop_duplicates(subset=list(AXES), keep="last")
    older = len(frame) - len(kept)
    note = f"{older} older reports of the same cells are not shown: their inputs have changed"
    return kept, [note] if older else []


@dataclass(frozen=True)
class Cell:
    """A metric of one row: its text, its value in per cent, and the marks it carries."""

    text: str
    value: float
    marks: tuple[str, ...]


def _check_axes(names: Sequence[str]) -> None:
    for name in names:
        if name not in AXES:
            raise unknown("axis", name, AXES)


def _row_axes(frame: pd.DataFrame, cols: Sequence[str]) -> list[str]:
    """backbone, dims, and every axis that still tells two reports of one cell apart."""
    axes = [axis for axis in ROWS if axis not in cols]
    for axis in AXES:
        if axis in axes or axis in cols or axis == "seed":
            continue
        groups = frame.groupby([*axes, *cols], dropna=False)[axis]
        if (groups.nunique() > 1).any():  # an axis that does not matter to a report tells nothing
            axes.append(axis)
    return axes


def _columns(frame: pd.DataFrame, cols: list[str], metrics: list[str]) -> list[Column]:
    columns: list[Column] = []
    known = sorted({name for name in frame.columns if _is_metric(name)})
    for name in metrics:
        if name not in known:
            raise unknown("metric", name, known)
    for values, group in frame.groupby(cols, sort=False, dropna=False):
        where = dict(zip(cols, values, strict=True))
        wanted = metrics or group["headline"].iloc[0]
        present = [name for name in wanted if group[name].notna().any()]
        for name in present:
            header = " ".join([*(_title(group, axis) for axis in cols), metric_label(name)])
            columns.append(Column(header, where, name))
    return columns


def _is_metric(name: str) -> bool:
    return name.startswith(("r@", "map", "mp@"))


def metric_label(name: str) -> str:
    """r@1 -> R@1, map_hard -> H, mp@10_hard -> mP@10 H."""
    if name in SHORT:
        return SHORT[name]
    head, _, setup = name.partition("_")
    head = head.replace("map@r", "MAP@R").replace("r@", "R@").replace("mp@", "mP@")
    return f"{head} {SHORT['map_' + setup]}" if setup else head


def _title(group: pd.DataFrame, axis: str) -> str:
    value = group["dataset_title" if axis == "dataset" else axis].iloc[0]
    return str(value) if axis == "dataset" else f"{axis}={_plain(value)}"


def _one_per_row(frame: pd.DataFrame, row_axes: list[str], name: str) -> bool:
    return bool((frame.groupby(row_axes, dropna=False)[name].nunique() == 1).all())


def _plain(value: Any) -> str:
    if value is None or value != value:  # NaN: the axis does not matter there
        return "-"
    return str(int(value)) if isinstance(value, float) else str(value)


def _cell(group: pd.DataFrame, column: Column) -> Cell:
    for axis, value in column.where.items():
        group = group[group[axis].isna() if value != value else group[axis] == value]
    group = group[group[column.metric].notna()] if len(group) else group
    if group.empty:
        return Cell("--", float("nan"), ())
    for axis in AXES:
        if axis != "seed" and group[axis].nunique(dropna=False) > 1:
            values = ", ".join(sorted({_plain(value) for value in group[axis]}))
            raise ResultsError(
                f"{len(group)} reports fall into one cell of {column.header}: they differ in "
                f"{axis} ({values}); add {axis} to --rows or --cols"
            )
    percent = 100 * group[column.metric].astype(float)
    found = {mark for marks in group["marks"] for mark in marks if mark in MARKS}
    marks = tuple(MARKS[name][0] for name in MARKS if name in found)
    if any(group["odd_protocol"]):
        marks += (OTHER_PROTOCOL,)
    spread = f" ± {percent.std():.1f}" if len(percent) > 1 else ""
    return Cell(f"{percent.mean():.1f}{spread}{''.join(marks)}", float(percent.mean()), marks)


def _notes(
    frame: pd.DataFrame, row_axes: Sequence[str], cols: Sequence[str], used: set[str]
) -> list[str]:
    others = [axis for axis in AXES if axis not in (*row_axes, *cols)]
    fixed = [
        f"{axis}={_plain(frame[axis].dropna().iloc[0])}{_where(frame, axis)}"
        for axis in others
        if frame[axis].nunique() == 1
    ]
    notes = ["metrics in %; " + ", ".join(fixed)] if fixed else ["metrics in %"]
    notes += [
        f"{axis}: {_by_column(frame, axis, list(cols))}"
        for axis in others
        if frame[axis].nunique() > 1 and axis != "seed"
    ]
    if any("twin" in marks for marks in frame["marks"]):
        notes.append(TWINS)
    if any("subset" in marks for marks in frame["marks"]):
        notes.append(SUBSET)
    notes += _unverified(frame)
    notes += [f"{sign} {text}" for sign, text in MARKS.values() if sign in used]
    if OTHER_PROTOCOL in used:
        fields = sorted({field for fields in frame["odd_protocol"] for field in fields})
        notes.append(
            f"{OTHER_PROTOCOL} measured under another protocol than the rest of its column; "
            f"they differ in {', '.join(fields)}"
        )
    return notes


def _where(frame: pd.DataFrame, axis: str) -> str:
    """Say so where an axis matters to some reports only."""
    return " (where it matters)" if frame[axis].isna().any() else ""


def _unverified(frame: pd.DataFrame) -> list[str]:
    """Name the datasets that nobody has examined; twins are drawn, folders are their owner's."""
    said = frame.get("protocol.dataset_verified")
    if said is None:
        return []
    own = frame["dataset"].str.startswith("folder:") | frame["marks"].map(lambda m: "twin" in m)
    names = frame[~own & said.str.contains(r"bench data verify", regex=False)]["dataset"].unique()
    return [f"not verified: {', '.join(names)} (bench data verify)"] if len(names) else []


def _by_column(frame: pd.DataFrame, axis: str, cols: list[str]) -> str:
    """Say which values an axis takes that tells neither rows nor reports of a cell apart."""
    parts: dict[str, str] = {}
    for _, group in frame.groupby(cols, sort=False, dropna=False):
        title = " ".join(_title(group, name) for name in cols)
        parts[title] = "/".join(dict.fromkeys(_plain(value) for value in group[axis]))
    if len(set(parts.values())) == 1:
        return next(iter(parts.values()))
    return ", ".join(f"{title} {values}" for title, values in parts.items())


def mark_protocols(frame: pd.DataFrame) -> pd.DataFrame:
    """Add odd_protocol: the fields in which a report differs from most of its dataset's.

    Only fields of the fingerprint count: what axes vary is meant to differ.
    """
    import pandas as pd

    odd: dict[Any, list[str]] = {}
    for _, group in frame.groupby("dataset", sort=False):
        usual = group["fingerprint"].value_counts().index[0]
        reference = group[group["fingerprint"] == usual].iloc[0]
        for index, row in group.iterrows():
            odd[index] = _differing(row, reference)
    return frame.assign(odd_protocol=pd.Series(odd, dtype=object))


def _differing(row: pd.Series, reference: pd.Series) -> list[str]:
    fields = [field for field in row["fingerprint_fields"] if field not in HAVE_MARKS]
    return [f for f in fields if row[f"protocol.{f}"] != reference[f"protocol.{f}"]]
