"""Pictures: the galleries of a page, dataset by dataset, as far as there is room for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from results.compare import compare
from results.gallery import Found
from results.outcomes import difference
from results.page.album import Album, Wanted
from results.page.choice import Shown, asked_for, compared_rows, shown_queries, shown_rows
from results.page.view import View
from results.stats.paired import wins

FIRST_QUERIES = 20
"""Shown of every row before more are shown of any."""
GRADES = {"wrong": 0, "relevant": 1, "easy": 2, "hard": 3}


def pictures_of(view: View, album: Album, versus: tuple[str, str] | None) -> dict[str, Any]:
    """Galleries of every dataset; images are taken into the album, by whose numbers they go.

    Raises ResultsError where versus names no two rows.
    """
    asked = asked_for(view, versus) if versus else {}
    numbers = list(view.titles)
    sizes = {name: _images_of(view, name) for name in numbers}
    smallest_first = sorted(numbers, key=lambda name: sizes[name])  # what they leave is others'
    galleries: dict[str, dict[str, Any]] = {}
    for left, dataset in zip(range(len(numbers), 0, -1), smallest_first, strict=True):
        album.allow(1 / left)
        rows = shown_rows(view, dataset, view.headline(dataset), asked.get(dataset))
        if rows:
            gallery = _gallery(rows, compared_rows(rows, asked.get(dataset)), album)
            known = sum(dataset in view.rows[row] for row in view.kept)
            about = {"dataset": numbers.index(dataset), "rows_of": known}
            galleries[dataset] = {**about, **gallery}
    order = [*asked, *(name for name in numbers if name not in asked)]
    shown = [galleries[name] for name in order if name in galleries]
    return {
        "galleries": shown,
        "images": album.images,
        "pictures": album.pictures,
        "missing": album.missing,
    }


def _images_of(view: View, dataset: str) -> int:
    """How many images a dataset's queries can find."""
    reports = next(row[dataset] for row in view.rows if dataset in row)
    return int(reports["counts.gallery"].iloc[0])


def _gallery(
    rows: Sequence[Shown], pair: tuple[Shown, Shown] | None, album: Album
) -> dict[str, Any]:
    """What the rows of a dataset found."""
    queries = shown_queries(rows, pair)
    found = {row.place: row.found(queries) for row in rows}
    places = {query: place for place, query in enumerate(rows[0].outcomes.queries)}
    items: dict[int, dict[int, Any]] = {row.place: {} for row in rows}
    order: dict[int, None] = {}
    for row, query in _in_turn(rows, queries):
        value = float(row.outcomes.per_query[places[query]])
        number, listed = _item(row, query, found[row.place], album)
        if number is not None:
            items[row.place][number] = [round(value, 4), listed]
            order[number] = None
    return {
        "queries": list(order),
        "of": len(places),
        "rows": [_listed(row, found[row.place], items) for row in rows if items[row.place]],
        "wins": _wins(rows),
        "pair": [row.place for row in pair] if pair else None,
        "tested": _tested(*pair) if pair else None,
    }


def _listed(row: Shown, found: Found, items: Mapping[int, Any]) -> dict[str, Any]:
    return {
        "row": row.place,
        "seed": row.seed,
        "hubs": len(found.hubs),
        "items": items[row.place],
    }


def _in_turn(rows: Sequence[Shown], queries: Sequence[str]) -> Iterator[tuple[Shown, str]]:
    """Some queries of row after row, then each further query of all rows."""
    for row in rows:
        for query in queries[:FIRST_QUERIES]:
            yield row, query
    for query in queries[FIRST_QUERIES:]:
        for row in rows:
            yield row, query


def _item(row: Shown, query: str, found: Found, album: Album) -> tuple[int | None, list[list[Any]]]:
    """A query's number and what it found; None if there is no room for it.

    Of each neighbour: number, similarity, grade, copy, how many queries found it if it is a hub.
    """
    dataset, neighbours = row.report["dataset"], found.neighbours[query]
    asked = Wanted(dataset, query, row.upright, row.boxed)
    images = [Wanted(dataset, one.path, row.upright) for one in neighbours]
    listed = [
        [0, round(one.similarity, 4), GRADES.get(one.grade, 0), "", found.hubs.get(one.path, 0)]
        for one in neighbours
    ]
    others = len(json.dumps(listed)) + 60  # the longest numbers, the longest name of a copy
    if not album.take([asked, *images], found.classes, others):
        return None, []
    for entry, image, one in zip(listed, images, neighbours, strict=True):
        entry[0] = album.number(image)
        entry[3] = album.copy(asked, image, one.similarity)
    return album.number(asked), listed


def _wins(rows: Sequence[Shown]) -> list[list[int]]:
    """Of each two rows: their places, on how many queries each is better, on how many neither."""
    counts = []
    for one, other in combinations(rows, 2):
        found = wins(difference(one.outcomes, other.outcomes))
        counts.append([one.place, other.place, found.a, found.b, found.equal])
    return counts


def _tested(a: Shown, b: Shown) -> dict[str, Any]:
    """The paired comparison of the two rows that are shown at first, in points."""
    found = compare(a.outcomes, b.outcomes)
    return {
        "difference": 100 * found.difference,
        "low": 100 * found.interval.low,
        "high": 100 * found.interval.high,
        "p": found.p_sign_flip,
        "unit": "classes" if found.unit == "class" else "queries",
    }
