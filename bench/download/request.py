"""One question to a server: a file from some byte on, and what it says of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib import request
from urllib.error import HTTPError
from urllib.parse import urlsplit

SCHEMES = ("http", "https", "ftp")
WORTH_ANOTHER_TRY = (408, 425, 429, 500, 502, 503, 504)


class RefusedError(Exception):
    """Asking this URL again will not help."""


class DroppedError(Exception):
    """Asking this URL again may help."""


class PastEndError(Exception):
    """The server has nothing from the byte asked for on."""

    def __init__(self, total: int | None) -> None:
        super().__init__("the server has nothing beyond what has come")
        self.total = total


@dataclass(frozen=True)
class Answer:
    """What a server sends."""

    start: int
    """Where in the file the body begins: not where it was to begin, if the server knows no Range
    or the file has changed."""
    total: int | None
    """Bytes of the whole file, where the server says."""
    mark: str | None
    """What the server will call another, should the file change."""
    body: IO[bytes]

    def read(self, most: int) -> bytes:
        """Return what has arrived, b"" at the end."""
        try:
            return self.body.read1(most)  # type: ignore[attr-defined, no-any-return]
        except (OSError, HTTPException) as error:
            raise DroppedError(_reason(error)) from error


@contextmanager
def ask(url: str, *, start: int, mark: str | None, timeout: float) -> Iterator[Answer]:
    """Ask for the bytes from start on, if the file is still the one with this mark.

    Raises RefusedError, DroppedError or PastEndError.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise RefusedError(f"not fetched: only {', '.join(SCHEMES)} are")
    wanted = request.Request(url, headers=_headers(start, mark))
    try:
        response = _opener().open(wanted, timeout=timeout)
    except HTTPError as error:
        with error:
            raise _failure(error, start) from error
    except (OSError, HTTPException) as error:
        raise DroppedError(_reason(error)) from error
    with response:
        begins, total = _extent(response.status, response.headers, start)
        yield Answer(begins, total, _mark(response.headers), response)


def _headers(start: int, mark: str | None) -> dict[str, str]:
    headers = {"User-Agent": "retrieval-bench"}
    if start:
        headers["Range"] = f"bytes={start}-"
    if start and mark:
        headers["If-Range"] = mark
    return headers


def _opener() -> request.OpenerDirector:
    """Make what urlopen uses, less the handlers of file: and data:."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.FTPHandler,
        request.UnknownHandler,
        request.HTTPRedirectHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _failure(error: HTTPError, start: int) -> Exception:
    said = f"{error.code} {error.reason}"
    if error.code == 416 and start:
        return PastEndError(_number(r"bytes \*/(\d+)", error.headers.get("Content-Range")))
    return DroppedError(said) if error.code in WORTH_ANOTHER_TRY else RefusedError(said)


def _extent(status: int | None, headers: Message, start: int) -> tuple[int, int | None]:
    """Return where the body begins in the file and how long the file is."""
    if status != 206:
        # Of a chunked body the length is not that of the file.
        length = None if "Transfer-Encoding" in headers else headers.get("Content-Length")
        return 0, _number(r"(\d+)", length)
    sent = headers.get("Content-Range", "")
    if _number(r"bytes (\d+)-.*", sent) != start:
        raise RefusedError(f"sent {sent or 'some bytes'} where bytes from {start} on were asked")
    last = _number(r"bytes \d+-(\d+)/\*", sent)  # to the end was asked for
    return start, _number(r"bytes \d+-\d+/(\d+)", sent) if last is None else last + 1


def _mark(headers: Message) -> str | None:
    """Return what If-Range may be: a strong ETag, or a date."""
    etag: str | None = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _number(pattern: str, text: str | None) -> int | None:
    match = re.fullmatch(pattern, (text or "").strip())
    return int(match[1]) if match else None


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__
