"""Fetching one file: resumed where it stopped, checked, and there whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.download.disk import check_space
from bench.download.lock import only_one
from bench.download.part import Part, difference
from bench.download.request import Answer, DroppedError, PastEndError, RefusedError, ask
from registry.datasets.remote import RemoteFile
from registry.errors import WorkError

CHUNK = 1 << 18

OnBytes = Callable[[int, int | None], None]
"""Told of the bytes that have come and of all there are, None where unknown.

Called first with what an earlier run left; the number falls where a server makes us start over.
"""


def back_off(failures: int) -> None:
    """Wait longer after each attempt in a row that got nothing."""
    time.sleep(min(2.0**failures, 30.0))


@dataclass(frozen=True)
class Patience:
    """How long one URL is asked again and again."""

    attempts: int = 5
    """In a row without a new byte."""
    timeout: float = 60.0
    """Seconds in which a server must send something."""
    pause: Callable[[int], None] = back_off
    """Called between attempts with the number of those in a row that got nothing."""


PATIENT = Patience()


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    on_bytes: OnBytes = lambda done, total: None,
    patience: Patience = PATIENT,
) -> Path:
    """Return folder/name, fetched where it is not there yet.

    Locks folder/name meanwhile. What has come stays for the next call as name.part, except
    where it was wrong. Raises WorkError.
    """
    final = folder / file.name
    if not final.exists():
        with only_one(folder, file.name):
            if not final.exists():  # another process may just have finished
                _download(file, Part(final), on_bytes, patience)
                return final
    problem = difference(final, file)
    if problem:
        raise WorkError(f"{final} {problem}: move it away or delete it, then run again")
    return final


def _download(file: RemoteFile, part: Part, on_bytes: OnBytes, patience: Patience) -> None:
    if part.size() == file.size and difference(part.path, file):
        part.discard()  # an earlier run was stopped before it could see this
    told = []
    for url in file.urls:
        try:
            _ask_until_whole(url, file, part, on_bytes, patience)
            _accept(part, file)
            return
        except RefusedError as error:
            told.append(f"  {url}: {error}")
    raise WorkError(
        f"cannot fetch {file.name}:\n" + "\n".join(told) + "\n"
        f"run again to go on, or put the file at {part.final} yourself"
        + (f"; to start over, delete {part.path}" if part.size() else "")
    )


def _accept(part: Part, file: RemoteFile) -> None:
    problem = difference(part.path, file)
    if problem:
        part.discard()
        raise RefusedError(f"what came {problem}; it was deleted")
    part.finish()


def _ask_until_whole(
    url: str, file: RemoteFile, part: Part, on_bytes: OnBytes, patience: Patience
) -> None:
    # Counting from the furthest byte ends also with servers that start over each time.
    furthest, idle = part.size(), 0
    while not part.path.is_file() or part.size() != file.size:
        try:
            _ask_once(url, file, part, on_bytes, patience.timeout)
            return
        except DroppedError as error:
            idle = 0 if part.size() > furthest else idle + 1
            furthest = max(furthest, part.size())
            if idle >= patience.attempts:
                raise RefusedError(f"{error} ({idle} attempts without a new byte)") from error
        patience.pause(idle)


def _ask_once(url: str, file: RemoteFile, part: Part, on_bytes: OnBytes, timeout: float) -> None:
    mark = part.mark(url)
    start = _resumable(part.size(), file, mark)
    try:
        with ask(url, start=start, mark=mark, timeout=timeout) as answer:
            _check(answer, file)
            check_space(part.final.parent, (answer.total or file.size or 0) - answer.start)
            _make_room(answer, part, url, mark)
            _store(answer, file, part, on_bytes)
    except PastEndError as error:
        if error.total != start:
            part.discard()
            raise DroppedError(str(error)) from error


def _resumable(size: int, file: RemoteFile, mark: str | None) -> int:
    """Return where to go on: only where it would come out that the file is another by now."""
    told_apart = mark or file.hashes
    return size if told_apart and (file.size is None or size < file.size) else 0


def _check(answer: Answer, file: RemoteFile) -> None:
    if answer.total is None and file.size is None and not file.hashes:
        raise RefusedError("does not say how long the file is, so that a broken one would pass")
    if None not in (answer.total, file.size) and answer.total != file.size:
        raise RefusedError(f"offers {answer.total} bytes, expected {file.size}")


def _make_room(answer: Answer, part: Part, url: str, mark: str | None) -> None:
    """Have the part end where the answer begins."""
    if answer.start and mark and answer.mark not in (mark, None):  # it knows no If-Range
        part.discard()
        raise DroppedError("the file was changed at the server")
    if answer.start == 0:
        part.discard()
        mark = None
    part.remember(url, answer.mark or mark)


def _store(answer: Answer, file: RemoteFile, part: Part, on_bytes: OnBytes) -> None:
    done, total = answer.start, answer.total if file.size is None else file.size
    on_bytes(done, total)
    with part.appending() as out:
        while data := answer.read(CHUNK):
            if total is not None and done + len(data) > total:
                break
            out.write(data)
            done += len(data)
            on_bytes(done, total)
    if data:
        part.discard()
        raise RefusedError(f"sends more than {total} bytes")
    if total is not None and done < total:
        raise DroppedError(f"the connection ended after {done} of {total} bytes")
