"""Document: the template filled with style, scripts and data, so that data stays data.

The data is JSON in a script element that is not run, without any character that could end it; the
content security policy runs and styles by nothing but what was written here, by hash, and lets
the page ask nobody for anything.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from typing import Any

SCRIPTS = (
    "dom.js",
    "looks.js",
    "plot.js",
    "table.js",
    "scatter.js",
    "panels.js",
    "curves.js",
    "gallery.js",
    "versus.js",
    "main.js",
)
"""In the order of their use: each needs those before it."""
ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
"""Beside what is no ASCII, U+2028 and U+2029 among it."""
PLACE = re.compile(r"@(\w+)@")


def document(content: dict[str, Any], title: str) -> str:
    """Fill the template: all of it ASCII but for the style and the scripts."""
    style, script = _read("page.css"), "\n".join(_read(name) for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    parts = {
        "title": html.escape(title).encode("ascii", "xmlcharrefreplace").decode(),
        "policy": _policy(style, script),
        "style": style,
        "script": script,
        "data": as_json(content),
    }
    return PLACE.sub(lambda found: parts[found[1]], _read("template.html"))


def as_json(content: object) -> str:
    """JSON that may stand in a script element."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda found: ESCAPES[found[0]], text)


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return files("results.page").joinpath(name).read_text(encoding="utf-8")
