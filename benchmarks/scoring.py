"""Exact scoring beside its peers: the same descriptors, each in turns with the bare product.

python benchmarks/scoring.py [CASE ...] [--peers none|all|NAME,...] [--images N] [--repeat R]
                             [--revisited DIR] [--output FILE]
python benchmarks/scoring.py --print FILE

Cases: sop-128, -384, -512 (leave-one-out), inshop-128, -384, -512 (queries and gallery),
roxford-2048, r1m-128 (with a million distractors). A method is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from scoring_data import CASES, write
from scoring_goals import goal_table
from scoring_measure import METHODS, Measurement
from scoring_ours import OURS
from scoring_peers import PEERS
from tabulate import tabulate

CHILD = Path(__file__).with_name("scoring_measure.py")


@dataclass(frozen=True)
class Row:
    """One method on one case; failed says why there is no measurement."""

    setting: str

    case: str
    method: str
    images: int | None
    measured: Measurement | None
    failed: str = ""


def main() -> None:
    """Measure what is asked, then print both tables."""
    arguments = _arguments()
    if arguments.print:
        rows = [_from_json(line) for line in arguments.print.read_text().splitlines()]
    else:
        rows = []
        for row in measured(arguments):
            rows.append(row)
            print(_progress(row), file=sys.stderr, flush=True)
            if arguments.output:
                with arguments.output.open("a") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
    print(report(rows))


def measured(arguments: argparse.Namespace) -> Iterator[Row]:
    """Draw each case, and measure each method on it."""
    methods = [*OURS, *_installed(arguments.peers)]
    setting = f"{_machine()}; `{_command(arguments)}`"
    for name in arguments.cases or CASES:
        case = CASES[name].within(arguments.images)
        with tempfile.TemporaryDirectory() as temporary:
            write(case, Path(temporary), arguments.revisited)
            for method in methods:
                if METHODS[method].suits(case):
                    found, why = _in_child(Path(temporary), method, arguments.repeat)
                    yield Row(setting, name, method, arguments.images, found, why)


def report(rows: list[Row]) -> str:
    """Return the machine, the command, the measurements and the goals as Markdown."""
    found = {(row.case, row.method): row.measured for row in rows if row.measured}
    shrunk = [row.images for row in rows if row.images]
    note = f", for the full sizes (here at most {max(shrunk)} images a side)" if shrunk else ""
    headers = ["case", "method", "seconds", "÷ product", "GB over the inputs", "result"]
    return "\n".join(
        [
            *dict.fromkeys(row.setting for row in rows),
            "",
            tabulate(map(_cells, rows), headers, tablefmt="github", disable_numparse=True),
            "",
            f"Goals{note}:",
            "",
            goal_table(found),
        ]
    )


def _in_child(folder: Path, method: str, repeat: int) -> tuple[Measurement | None, str]:
    command = [sys.executable, str(CHILD), str(folder), method, str(repeat)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return None, f"failed: exit {done.returncode}"
    return Measurement(**json.loads(done.stdout.splitlines()[-1])), ""


def _installed(peers: list[str]) -> list[str]:
    for name in peers:
        if not PEERS[name].installed:
            print(f"{name} is skipped: {PEERS[name].module} is not installed", file=sys.stderr)
    return [name for name in peers if PEERS[name].installed]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", type=_case, metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--peers", type=_peers, default=list(PEERS), metavar="none|all|NAME,...")
    parser.add_argument("--images", type=int, help="at most so many images a side")
    parser.add_argument("--repeat", type=int, default=1, help="of the methods; medians count")
    parser.add_argument("--revisited", type=Path, help="folder of a gnd_*.pkl, for the lists")
    parser.add_argument("--output", type=Path, help="append a line of JSON per measurement")
    parser.add_argument("--print", type=Path, metavar="FILE", help="the tables of an --output")
    return parser.parse_args()


def _command(arguments: argparse.Namespace) -> str:
    """What to type for the same measurements; where files are is nobody else's."""
    words = ["python", "benchmarks/scoring.py", *arguments.cases]
    if arguments.peers != list(PEERS):
        words += ["--peers", ",".join(arguments.peers) or "none"]
    if arguments.images:
        words += ["--images", str(arguments.images)]
    if arguments.repeat != 1:
        words += ["--repeat", str(arguments.repeat)]
    if arguments.revisited:
        words += ["--revisited", "DIR"]
    return " ".join(words)


def _case(text: str) -> str:
    if text not in CASES:
        raise argparse.ArgumentTypeError(f"no case {text!r} (known: {', '.join(CASES)})")
    return text


def _peers(text: str) -> list[str]:
    if text in ("none", "all"):
        return list(PEERS) if text == "all" else []
    unknown = [name for name in text.split(",") if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no peer {unknown[0]!r} (known: {', '.join(PEERS)})")
    return text.split(",")


def _from_json(line: str) -> Row:
    fields = json.loads(line)
    measurement = fields.pop("measured")
    return Row(**fields, measured=Measurement(**measurement) if measurement else None)


def _cells(row: Row) -> list[str]:
    method = METHODS[row.method]
    most = method.most_images
    title = method.title if most is None else f"{method.title}, first {most:,} images"
    if row.measured is None:
        return [row.case, title, "", "", "", row.failed]
    one = row.measured
    result = ", ".join(f"{name} {100 * value:.2f}" for name, value in one.numbers.items())
    return [
        row.case,
        title,
        f"{one.seconds:.3g}",
        f"{one.ratio:.2f}",
        f"{one.gigabytes:.2f}",
        result,
    ]


def _progress(row: Row) -> str:
    return " | ".join(_cells(row))


def _machine() -> str:
    packages = [f"{name} {found}" for name in ("torch", "faiss", "numpy") if (found := _of(name))]
    threads = torch.get_num_threads()
    return f"{_processor()}, {os.cpu_count()} CPUs, {threads} threads, {', '.join(packages)}"


def _of(package: str) -> str:
    """Version of an installed package; faiss is installed under either of two names."""
    names = ("faiss-cpu", "faiss-gpu") if package == "faiss" else (package,)
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
