"""What a split says and what lies on the disk, in one hash: it joins a dataset's identity.

Official lists pin neither: artifacts hold images by their position, so the order of a list matters,
and Oxford and Paris are about with and without blurred faces under the same names. The sizes of the
files tell such versions apart, and cost no reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from registry.datasets.split import Images, Split

MOST = 100_000
"""Files looked at in each part; of more, so many evenly spaced ones."""


def signature(split: Split) -> str:
    """Hash a split as it is read, order included, and the sizes of its files: 16 hex digits."""
    digest = hashlib.sha256()
    for part in _parts(split):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def _parts(split: Split) -> Iterator[bytes]:
    for images in (split.train, split.evaluated):
        if images is None:
            yield b"none"
            continue
        yield _text(images.paths)
        yield _text(images.classes)
        yield images.labels.tobytes()
        yield repr(sorted((images.boxes or {}).items())).encode()
        yield _text(f"{_size(images.root / path)}" for path in _some(images))
    yield split.queries.tobytes()
    yield split.gallery.tobytes()
    yield b"" if split.pairs is None else split.pairs.tobytes()
    for query, truth in sorted((split.graded or {}).items()):
        yield str(query).encode()
        for judged in (truth.easy, truth.hard, truth.junk):
            yield judged.tobytes()


def _text(lines: Iterator[str] | tuple[str, ...]) -> bytes:
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _some(images: Images) -> Iterator[str]:
    step = max(1, -(-len(images) // MOST))
    yield from images.paths[::step]


def _size(path: Path) -> int:
    """Bytes of a file; -1 where there is none, which the work that needs it will say."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
