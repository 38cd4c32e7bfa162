"""A small matrix under N random SIGKILLs, compared with one that nobody disturbed. Linux only.

python benchmarks/chaos.py N [--seed S] [--runs-at-once 1|2] [--keep DIR] [--quick]

A random process of the run is killed again and again: bench run itself, its fork server, its
workers (not multiprocessing's resource tracker, which does no work). The same command is given
again whenever it ended with another code than 0. A matrix that is finished before its N kills
starts anew in a fresh folder. Each finished folder gets the command once more and is compared:
nothing lost, nothing computed twice, every number equal to the last bit. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from chaos_aim import Aim, Spread, under_way
from chaos_compare import Comparison, compare, published
from chaos_processes import KINDS, children, kill, kill_all, kinds, members, wait_until_gone
from tabulate import tabulate

ROOT = Path(__file__).resolve().parent.parent
MATRIX = ("backbone=tiny_vit,tiny_conv", "dataset=twin-cub,twin-roxford", "recipe=smoke")
FULL = (*MATRIX, "dims=16,32,native", "seed=0..3")
QUICK = (*MATRIX, "dims=16,native")
SPREADS = {False: Spread(seen=6, finished=2), True: Spread(seen=3, finished=1)}
PATIENCE = 180.0
"""Seconds in which something must be finished, unless something is killed."""
MOST_BY_ITSELF = 3
"""How often a run may fail in a folder without having been hit, until this gives up."""
LOOK_EVERY = 0.05


class GaveUpError(Exception):
    """The matrix cannot be finished; says why."""


@dataclass
class Tally:
    """What happened."""

    kills: Counter[str] = field(default_factory=Counter)
    at: Counter[str] = field(default_factory=Counter)
    """What was under way when a process was killed."""
    restarts: int = 0
    folders: int = 0
    compared: Comparison = field(default_factory=Comparison)
    undisturbed: float = 0.0
    """Seconds."""


@dataclass
class Command:
    """One bench run that is given again until it ends with 0."""

    words: Sequence[str]
    output: Path
    process: subprocess.Popen[bytes] | None = None
    before: list[int] = field(default_factory=list)
    """Its processes that have ended; something of theirs may be left."""
    hit: bool = False
    by_itself: int = 0

    def start(self) -> None:
        """Start it in a session of its own; a number of threads decides on last bits."""
        environment = {"OMP_NUM_THREADS": "1"} | dict(os.environ)
        environment.pop("COVERAGE_PROCESS_START", None)  # whoever is killed writes half a file
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench", "run", *self.words, "--quiet"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.hit = False

    def sessions(self) -> list[int]:
        """Name the sessions of all its processes so far."""
        return [*self.before, self.process.pid] if self.process else self.before

    def code(self) -> int | None:
        """How it ended, if it has."""
        return self.process.poll() if self.process else None

    def again(self) -> None:
        """Start it again."""
        if self.process:
            self.before.append(self.process.pid)
        self.start()

    def last_words(self) -> str:
        """Return the end of what it printed."""
        return self.output.read_text(errors="replace")[-2000:].strip()


@dataclass
class Chaos:
    """N kills, and the commands that have to survive them."""

    wanted: int
    at_once: int
    words: Sequence[str]
    spread: Spread
    generator: random.Random
    place: Path
    tally: Tally = field(default_factory=Tally)
    commands: list[Command] = field(default_factory=list)

    def work(self) -> None:
        """Run the matrix undisturbed, then in fresh folders until all kills have happened."""
        started = time.monotonic()
        self._undisturbed("undisturbed")
        self.tally.undisturbed = time.monotonic() - started
        while self.tally.kills.total() < self.wanted:
            self.tally.folders += 1
            name = f"disturbed-{self.tally.folders}"
            self._disturbed(name)
            self._undisturbed(name)  # once more: whoever comes next clears what the dead left
            self._compare(name)

    def close(self) -> None:
        """Kill everything that was started and may be left, also if it was just being started."""
        sessions = [session for command in self.commands for session in command.sessions()]
        kill_all([*sessions, *children()])
        for command in self.commands:
            if command.process:
                command.process.wait()

    def _command(self, name: str, number: int = 1) -> Command:
        runs, data = self.place / name, self.place / "data"
        words = [*self.words, "--runs", str(runs), "--data", str(data), "--device", "cpu"]
        command = Command(words, self.place / f"{name}-{number}.txt")
        self.commands.append(command)
        command.start()
        return command

    def _undisturbed(self, name: str) -> None:
        command = self._command(name)
        code = self._waited_for(name, command)
        if code != 0:
            raise GaveUpError(f"{name}: code {code} without a kill:\n{command.last_words()}")
        self._ended(name)

    def _waited_for(self, name: str, command: Command) -> int:
        watch = Watch(self.place / name)
        while (code := command.code()) is None:
            watch.look()
            time.sleep(LOOK_EVERY)
        return code

    def _disturbed(self, name: str) -> None:
        commands = [self._command(name, number + 1) for number in range(self.at_once)]
        runs = self.place / name
        aim, watch = self._aim(runs), Watch(runs)
        while self._go_on(name, commands):
            watch.look()
            if aim and aim.due():
                if self._strike(runs, commands):
                    watch = Watch(runs)
                time.sleep(LOOK_EVERY)  # for the one that was hit to be gone
                self._go_on(name, commands)
                aim = self._aim(runs)
            time.sleep(LOOK_EVERY)
        self._ended(name)

    def _aim(self, runs: Path) -> Aim | None:
        left = self.wanted - self.tally.kills.total()
        return Aim(runs, self.generator, self.spread) if left else None

    def _go_on(self, name: str, commands: Sequence[Command]) -> bool:
        """Start again what did not end well; tell whether anything is running."""
        running = [self._goes_on(name, command) for command in commands]
        return any(running)

    def _goes_on(self, name: str, command: Command) -> bool:
        """Start a command again if it did not end well; tell whether it is running."""
        code = command.code()
        if code is None or code == 0:
            return code is None
        if not command.hit:
            command.by_itself += 1
            message = f"{name}: bench run ended with code {code}, and nothing of it was hit"
            if command.by_itself >= MOST_BY_ITSELF:
                raise GaveUpError(f"{message}:\n{command.last_words()}")
            self.tally.compared.differences.append(message)
        self.tally.restarts += 1
        command.again()
        return True

    def _strike(self, runs: Path, commands: Sequence[Command]) -> bool:
        """Kill one process at random; tell whether one was hit."""
        found = [
            (process, kind, command)
            for command in commands
            for process, kind in kinds(members(command.sessions()), command.sessions()).items()
            if kind in KINDS
        ]
        if not found:
            return False
        at = under_way(runs, [process.pid for process, _, _ in found])
        victim, kind, command = self.generator.choice(sorted(found, key=lambda it: it[0].pid))
        if not kill(victim):
            return False
        command.hit = True
        self.tally.kills[kind] += 1
        self.tally.at[at] += 1
        count = f"[{self.tally.kills.total()}/{self.wanted}]"
        print(f"{count} {kind} killed: {at}", file=sys.stderr, flush=True)
        return True

    def _ended(self, name: str) -> None:
        """See that nothing outlives the commands of a folder."""
        sessions = [session for command in self.commands for session in command.sessions()]
        left = wait_until_gone(sessions)
        self.tally.compared.differences += [
            f"{name}: process {process.pid} outlived its run: {process.command}" for process in left
        ]
        kill_all(sessions)
        self.commands.clear()

    def _compare(self, name: str) -> None:
        found, total = compare(self.place / "undisturbed", self.place / name), self.tally.compared
        total.reports += found.reports
        total.parquets += found.parquets
        total.artifacts += found.artifacts
        total.arrays += found.arrays
        total.computed += found.computed
        total.odd.update(found.odd)
        total.differences += [f"{name}: {difference}" for difference in found.differences]


@dataclass
class Watch:
    """Raises GaveUpError where nothing is finished for too long."""

    runs: Path
    finished: int = -1
    since: float = 0.0

    def look(self) -> None:
        """See whether something is finished."""
        now = published(self.runs)
        if now != self.finished:
            self.finished, self.since = now, time.monotonic()
        elif time.monotonic() - self.since > PATIENCE:
            leases = sorted(path.name for path in (self.runs / "leases").glob("*"))
            raise GaveUpError(
                f"{self.runs.name}: nothing was finished for {PATIENCE:.0f} s; leases: {leases}"
            )


def summary(chaos: Chaos, options: str) -> str:
    """Return what happened as Markdown."""
    tally, found = chaos.tally, chaos.tally.compared
    rows: list[tuple[str, int]] = [("kills", tally.kills.total())]
    rows += [(f"kills: {kind}", count) for kind, count in sorted(tally.kills.items())]
    rows += [(f"kills while: {at}", count) for at, count in sorted(tally.at.items())]
    rows += [
        ("restarts of the command", tally.restarts),
        ("folders finished and compared", tally.folders),
        ("reports compared", found.reports),
        ("Parquets compared", found.parquets),
        ("artifacts compared", found.artifacts),
        ("their arrays, byte for byte", found.arrays),
        ("stages in the logs, each once", found.computed),
        *((f"left, harmless: {what}", count) for what, count in sorted(found.odd.items())),
        ("differences", len(found.differences)),
    ]
    heading = f"`python benchmarks/chaos.py {options}`, undisturbed in {tally.undisturbed:.0f} s"
    table = tabulate(rows, ["what", "count"], tablefmt="github")
    return "\n".join([heading, "", table, *(f"- {line}" for line in found.differences)])


def main() -> int:
    """Do it; return the exit code."""
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    with _place(arguments.keep) as place:
        chaos = Chaos(
            arguments.kills,
            arguments.runs_at_once,
            QUICK if arguments.quick else FULL,
            SPREADS[arguments.quick],
            random.Random(arguments.seed),
            place,
        )
        try:
            chaos.work()
        except GaveUpError as error:
            chaos.tally.compared.differences.append(f"gave up: {error}")
        finally:
            chaos.close()
    print(summary(chaos, _options(arguments)))
    return 1 if chaos.tally.compared.differences else 0


def _end(number: int, frame: FrameType | None) -> None:
    """Let whoever waits clean up, undisturbed by a second signal."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name:
            yield Path(name)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise SystemExit(f"--keep {keep}: there is something in it; name an empty folder")
        yield keep.resolve()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("kills", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="of victims and delays")
    parser.add_argument("--runs-at-once", type=int, choices=(1, 2), default=1)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="empty or new; stays afterwards")
    parser.add_argument("--quick", action="store_true", help="8 cells for 48")
    return parser.parse_args()


def _options(arguments: argparse.Namespace) -> str:
    words = [str(arguments.kills), "--seed", str(arguments.seed)]
    words += ["--runs-at-once", "2"] if arguments.runs_at_once == 2 else []
    return " ".join([*words, "--quick"] if arguments.quick else words)


if __name__ == "__main__":
    sys.exit(main())
