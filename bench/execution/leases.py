"""Leases: who is at work on which stage of a run folder, so that no other run does the same.

    RUNS/leases/<kind>-<key>.json    owner, what, since, and a counter that its owner keeps raising

A lease is dead when its process is known to be gone, or when its counter has stood still for a
minute of the looker's own monotonic clock: wall clocks jump, and hosts disagree on them. A process
that stood still for longer may lose its lease and not know; what it publishes then is equal to what
is there, and changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.execution import lease_files
from bench.execution.artifacts import FolderGoneError, writing
from bench.execution.owner import Lease, Owner, this_process

FOLDER = "leases"
RENEWAL = 5.0
"""Seconds between two signs of life."""
EXPIRY = 60.0
"""Seconds without one, after which a lease is dead."""
ONE_LOOK = 2 * RENEWAL
"""Seconds that one look can add to that: whoever slept has seen nothing."""
TRIES = 5
CLEANING = "clean-folder"
"""Name of the lease on removing what nothing needs: no run begins meanwhile."""


class BusyError(Exception):
    """Another process is at work on a stage: not a failure, a reason to come back."""

    def __init__(self, name: str, lease: Lease) -> None:
        super().__init__(f"{lease.what}, by {lease.owner}")
        self.name = name
        self.lease = lease


@dataclass
class Watched:
    """How long a lease was seen to stand still."""

    lease: Lease
    looked: float
    still: float = 0.0


@dataclass
class Leases:
    """Those that this process holds under one run folder, and what it has seen of others'.

    Entered, they are renewed by a thread; left, they are given back.
    """

    runs: Path
    say: Callable[[str], None] = lambda text: None
    clock: Callable[[], float] = time.monotonic
    owner: Owner = field(default_factory=this_process)
    held: dict[Path, Lease] = field(default_factory=dict)
    watched: dict[Path, Watched] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def root(self) -> Path:
        """Folder of the leases."""
        return self.runs / FOLDER

    @property
    def there(self) -> bool:
        """Whether nobody removed the folder."""
        return self.root.is_dir()

    def __enter__(self) -> Leases:
        """Start renewing; what processes of this machine left when they died is cleared."""
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            self.sweep()
        threading.Thread(target=self._renewing, name="leases", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.ended.set()
        for path in list(self.held):
            self._release(path)

    @contextmanager
    def holding(self, name: str, what: str) -> Iterator[None]:
        """Be the only one at work on it; raises BusyError where another process is."""
        path = self._path(name)
        with self.lock, self._writing(path):
            self.held[path] = self._take(path, what)
        try:
            yield
        except Exception as error:
            raise error if self.there else FolderGoneError(self.root) from error
        finally:
            self._release(path)
        if not self.there:
            raise FolderGoneError(self.root)

    def busy(self, name: str) -> Lease | None:
        """The lease of another live process, if there is one."""
        path = self._path(name)
        found = lease_files.read(path)
        return None if found is None or self._dead(path, found) else found

    def tell(self, name: str, progress: Mapping[str, str | int | float]) -> None:
        """Note how far the work on it is: others read so with the next sign of life."""
        path = self._path(name)
        with self.lock:
            if path in self.held:
                self.held[path] = replace(self.held[path], progress=progress)

    def renew(self) -> None:
        """Raise the counters of all that are still ours; forget those that are not."""
        with self.lock:
            for path, lease in list(self.held.items()):
                with suppress(OSError):  # a full disk or a lost server: the next time, then
                    self._renew(path, lease)

    def sweep(self) -> None:
        """Clear what dead processes of this machine left: leases, and drafts of them."""
        for path, lease in lease_files.all_in(self.root):
            if lease.owner.gone():
                self._bury(path, lease)

    def _path(self, name: str) -> Path:
        return self.root / f"{name}.json"

    def _take(self, path: Path, what: str) -> Lease:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        lease = Lease(self.owner, what, since)
        found = lease_files.read(path)
        for _ in range(TRIES):  # it may come and go between two looks
            if found is None:
                if lease_files.put(path, lease):
                    return lease
            elif not self._dead(path, found) or not self._bury(path, found):
                raise BusyError(path.stem, found)
            found = lease_files.read(path)
        raise BusyError(path.stem, found or lease_files.UNREADABLE)

    def _dead(self, path: Path, found: Lease) -> bool:
        if found.owner.gone():
            return True
        now, seen = self.clock(), self.watched.get(path)
        if seen is None or seen.lease != found:
            self.watched[path] = Watched(found, now)
            return False
        seen.still += min(now - seen.looked, ONE_LOOK)
        seen.looked = now
        return seen.still >= EXPIRY

    def _bury(self, path: Path, dead: Lease) -> bool:
        """Take a dead lease away, as its only heir; tell whether it was this process that did.

        Without a lease on doing so, who looked early and acts late would take away the next one's.
        """
        heir = path.with_name(f"{path.stem}.heir.json")
        try:
            self._take(heir, f"clearing {path.name}")
        except BusyError:
            return False
        try:
            if lease_files.read(path) != dead:
                return False
            return lease_files.take_away(path, dead.owner, dead.counter)
        finally:
            lease_files.take_away(heir, self.owner)

    def _renew(self, path: Path, lease: Lease) -> None:
        found = lease_files.read(path)
        if found is not None and found.owner == self.owner:
            renewed = replace(found, counter=found.counter + 1, progress=lease.progress)
            lease_files.replace(path, renewed)
        elif found is not lease_files.UNREADABLE and self.there:
            del self.held[path]
            self.say(f"this process stood still, and another has taken over: {lease.what}")

    def _release(self, path: Path) -> None:
        with self.lock, suppress(OSError):
            if self.held.pop(path, None) is not None:
                found = lease_files.read(path)
                if found is not None and found.owner == self.owner:
                    lease_files.take_away(path, self.owner)

    def _renewing(self) -> None:
        while not self.ended.wait(RENEWAL):
            self.renew()

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        with writing(path):
            try:
                yield
            except FileNotFoundError:
                if self.there:
                    raise
                raise FolderGoneError(self.root) from None
