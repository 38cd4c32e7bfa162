"""Calls: names with parameters as they are typed, name(a=1,b=2), and sweeps of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from registry.errors import UsageError

_CALL = re.compile(r"(?P<name>[^()]+)(\((?P<arguments>[^()]*)\))?")


def parse_call(text: str, what: str) -> tuple[str, dict[str, str]]:
    """Read name(parameter=value,...) into the name and what was typed; raises UsageError."""
    match = _CALL.fullmatch(text)
    words = [word for word in ((match and match["arguments"]) or "").split(",") if word]
    if match is None or not all("=" in word for word in words):
        raise UsageError(f"{what} {text!r} is not of the form name(parameter=value,...)")
    arguments: dict[str, str] = {}
    for word in words:
        parameter, _, value = word.partition("=")
        if parameter in arguments:
            raise UsageError(f"{what} {text!r} gives {parameter} twice")
        arguments[parameter] = value
    return match["name"], arguments


def format_call(name: str, arguments: Mapping[str, object]) -> str:
    """Write what parse_call reads."""
    inside = ",".join(f"{parameter}={value}" for parameter, value in arguments.items())
    return f"{name}({inside})" if inside else name


def written(value: float) -> str:
    """Write a number as people do, with as many digits as it takes to read the same one."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a separator outside parentheses: a,b(c=1,2) -> a and b(c=1,2)."""
    return re.split(re.escape(separator) + r"(?![^()]*\))", text)


def sweep(text: str) -> list[str]:
    """Expand name(a=1,2,b=3) into name(a=1,b=3) and name(a=2,b=3), in each term of a sum."""
    terms = [_swept(term) for term in split_outside(text, "+")]
    return ["+".join(chosen) for chosen in itertools.product(*terms)]


def _swept(text: str) -> list[str]:
    name, paren, inside = text.partition("(")
    if not paren or not inside.endswith(")"):
        return [text]
    choices: list[list[str]] = []
    for word in inside[:-1].split(","):
        if "=" in word or not choices:
            choices.append([word])
        else:
            choices[-1].append(choices[-1][0].partition("=")[0] + "=" + word)
    return [f"{name}({','.join(chosen)})" for chosen in itertools.product(*choices)]


def number(text: str, value: str) -> float:
    """Read a finite number; text is what it is part of. Raises UsageError."""
    try:
        found = float(value)
    except ValueError:
        found = float("nan")
    if not abs(found) < float("inf"):
        raise UsageError(f"{text} must be a number, not {value!r}")
    return found + 0.0  # no -0
