"""Find: the cell that a key, the beginning of one, or what is said of it stands for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from bench.job import Job
from registry.errors import UsageError

MOST_SHOWN = 20


def find_key(labels: Mapping[str, str], given: str, what: str, *, by_label: bool = False) -> str:
    """Return the one key that is meant; raises UsageError where none or several can be.

    labels says what each key is called. With by_label words that only one label has do too; else
    they only choose which keys the message lists.
    """
    found = [known for known in labels if given and known.startswith(given)]
    named = [] if found else _named(labels, given)
    if by_label and len(named) == 1:
        return named[0]
    if not found:
        several = f"{given!r} is said of {len(named)} {what}s, type more of one, or of its key:"
        if by_label and named:
            raise UsageError(several + _listed(labels, named))
        near = difflib.get_close_matches(given, labels, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        known = _listed(labels, named or list(labels))
        raise UsageError(f"unknown {what} {given!r}{hint}; known are{known}")
    if len(found) > 1:
        raise UsageError(
            f"{given!r} begins the keys of {len(found)} {what}s, type more of one:"
            f"{_listed(labels, found)}"
        )
    return found[0]


def label_of(job: Mapping[str, Any]) -> str:
    """The label of a job as reports and failures hold it."""
    values: dict[str, Any] = {axis.name: job.get(axis.name) for axis in fields(Job)}
    return Job(**values).label


def _named(labels: Mapping[str, str], given: str) -> list[str]:
    """Keys whose label has every word that was given; only the one that is exactly that."""
    words = given.split()
    exact = [known for known, label in labels.items() if label == " ".join(words)]
    return exact or [
        known for known, label in labels.items() if words and all(word in label for word in words)
    ]


def _listed(labels: Mapping[str, str], keys: Sequence[str]) -> str:
    shown = [f"\n  {key}  {labels[key]}" for key in keys[:MOST_SHOWN]]
    more = len(keys) - len(shown)
    return "".join(shown) + (f"\n  and {more} more; part of a label lists its own" if more else "")
