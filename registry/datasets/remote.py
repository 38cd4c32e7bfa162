"""RemoteFile: a file that its authors publish, and how to tell that it is the right one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file to fetch. Of size and hashes, what is given is checked."""

    name: str
    """File name it is kept under in the download folder."""
    urls: tuple[str, ...]
    """Tried in this order."""
    size: int | None = None
    """Bytes."""
    sha256: str | None = None
    md5: str | None = None

    @property
    def hashes(self) -> dict[str, str]:
        """The known hashes in lower case, by the name that hashlib has for them."""
        known = {"sha256": self.sha256, "md5": self.md5}
        return {name: value.lower() for name, value in known.items() if value}
