"""benchmarks/chaos.py: a matrix under random kills, and that the comparison would notice."""

import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from bench.execution.owner import this_process

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
FAMILY = """
import multiprocessing, sys
def sit(pipe):
    pipe.send(0)
    pipe.recv()
if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    near, far = context.Pipe()
    worker = context.Process(target=sit, args=(far,))
    worker.start()
    near.recv()
    print(worker.pid, flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def module(monkeypatch):
    """Import one of the scripts' modules."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def chaos(*words, **options):
    command = [sys.executable, str(BENCHMARKS / "chaos.py"), *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, **options
    )


def count(printed, what):
    found = re.search(rf"^\| {re.escape(what)} +\| +(\d+) \|$", printed, re.MULTILINE)
    assert found, f"no {what!r} in\n{printed}"
    return int(found[1])


@pytest.mark.slow
def test_a_matrix_survives_kills():
    """A few; benchmarks/README.md tells of many."""
    with chaos(4, "--quick") as process:
        printed, _ = process.communicate()
    assert process.returncode == 0, printed
    kinds = re.findall(r"^\| kills: [a-z ]+ \| +(\d+) \|$", printed, re.MULTILINE)
    assert count(printed, "kills") == 4 == sum(map(int, kinds))
    assert count(printed, "kills: bench run") > 0
    assert count(printed, "restarts of the command") > 0
    folders = count(printed, "folders finished and compared")
    assert folders > 0
    assert count(printed, "reports compared") == count(printed, "Parquets compared") == 8 * folders
    unlogged = count(printed, "left, harmless: artifacts published but not logged")
    artifacts = count(printed, "artifacts compared")
    assert count(printed, "stages in the logs, each once") + unlogged == artifacts
    assert count(printed, "differences") == 0


@pytest.mark.slow
def test_whoever_interrupts_it_finds_everything_dead(tmp_path, module):
    processes = module("chaos_processes")
    keep = tmp_path / "keep"
    with chaos(10, "--quick", "--keep", keep) as process:
        while not list(keep.glob("undisturbed/log/*")):
            assert process.poll() is None
            time.sleep(0.1)
        assert any(str(keep / "data") in found.command for found in processes.running())
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert not [found for found in processes.running() if str(keep) in found.command]


def test_a_full_folder_is_not_taken(tmp_path):
    (tmp_path / "mine").touch()
    with chaos(1, "--keep", tmp_path, stderr=subprocess.PIPE) as process:
        _, said = process.communicate()
    assert process.returncode == 1
    assert "name an empty folder" in said


@pytest.fixture
def family(tmp_path, module):
    """A process in a session of its own, with a fork server, a worker and a tracker."""
    script = tmp_path / "family.py"
    script.write_text(FAMILY)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        process.worker = int(process.stdout.readline())
        yield process
        module("chaos_processes").kill_all([process.pid])


def test_the_processes_of_a_run_are_told_apart(family, module):
    processes = module("chaos_processes")
    found = processes.kinds(processes.members([family.pid]), [family.pid])
    kinds = {process.pid: kind for process, kind in found.items()}
    assert kinds[family.pid] == processes.RUN
    assert kinds[family.worker] == processes.WORKER
    assert sorted(kinds.values()) == ["bench run", "fork server", "resource tracker", "worker"]
    assert os.getpid() not in kinds
    assert family.pid in processes.children()


def test_what_a_killed_run_leaves_is_still_its_own(family, module):
    processes = module("chaos_processes")
    os.kill(family.worker, signal.SIGSTOP)  # it cannot end by itself
    assert processes.kill(processes.look(family.pid))
    family.wait()
    assert family.worker in [left.pid for left in processes.wait_until_gone([family.pid], 0)]
    processes.kill_all([family.pid])
    assert processes.members([family.pid]) == []


def test_only_the_very_process_is_killed(family, module):
    processes = module("chaos_processes")
    found = processes.look(family.worker)
    stale = processes.Process(found.pid, found.parent, found.session, "1", found.command)
    assert not processes.kill(stale)
    assert processes.look(family.worker) == found
    assert processes.kill(found)


def test_a_process_is_known_by_its_start(module):
    assert module("chaos_processes").look(os.getpid()).born == this_process().born


def test_a_zombie_has_ended(module):
    processes = module("chaos_processes")
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert (Path("/proc") / str(child.pid)).is_dir()
        assert processes.look(child.pid) is None
        assert child.pid not in processes.children()


def test_a_run_killed_in_the_moment_of_its_listing_is_no_error(module):
    processes = module("chaos_processes")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = processes.look(child.pid)
    assert processes.look(child.pid) is None
    assert not processes.kill(found)


@pytest.fixture
def copied(smoke, tmp_path):
    """A copy of a finished run folder, to be spoilt."""
    shutil.copytree(smoke, tmp_path / "copy", ignore=shutil.ignore_patterns("cache"))
    return tmp_path / "copy"


def first(folder, pattern):
    return min(folder.glob(pattern))


def test_a_copy_is_equal(smoke, copied, module):
    found = module("chaos_compare").compare(smoke, copied)
    assert found.differences == []
    assert found.reports == found.parquets == len(list((smoke / "reports").glob("*.json"))) > 0
    assert found.artifacts == len(list((smoke / "artifacts").glob("*/*"))) == found.computed > 0
    assert found.arrays > 0
    assert found.odd.total() == 0


def changed_report(entry, change):
    def spoil(runs):
        reports = {path: json.loads(path.read_text()) for path in runs.glob("reports/*.json")}
        path = min(path for path, report in reports.items() if report[entry])
        report = reports[path]
        change(report[entry])
        path.write_text(json.dumps(report))
        return f"report {path.name}: {entry} differs"

    return spoil


def next_float(metrics):
    name = min(metrics)
    metrics[name] += 2**-53


def one_more_query(counts):
    counts["queries"] += 1


def wider_bounds(bounds):
    bounds[min(bounds)][1] += 2**-53


def lost(pattern, message):
    def spoil(runs):
        path = first(runs, pattern)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return message.format(path=path, inside=f"{path.parent.name}/{path.name}")

    return spoil


def flipped_bit(runs):
    path = first(runs, "artifacts/descriptors/*/*.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return f"artifact descriptors/{path.parent.name}: {path.name} differs"


def other_queries(runs):
    path = first(runs, "reports/*.parquet")
    pd.read_parquet(path).iloc[::-1].to_parquet(path)
    return f"Parquet {path.name} differs"


def process_log(runs):
    """What a process computed; beside it are logs of stages."""
    return next(p for p in sorted(runs.glob("log/*.log")) if " computed " in p.read_text())


def computed_again(runs):
    log = process_log(runs)
    line = next(line for line in log.read_text().splitlines() if " computed Scores " in line)
    (runs / "log" / "another-1.log").write_text(line + "\n")
    return f"Scores {line.split()[-1]} was computed 2 times"


def one_too_many(runs):
    path = runs / "artifacts" / "scores" / ("0" * 16)
    shutil.copytree(first(runs, "artifacts/scores/*"), path)
    return f"artifact scores/{path.name} should not be there"


def left_lease(runs):
    (runs / "leases" / "model-0123456789abcdef.json").write_text("{}")
    return "lease model-0123456789abcdef.json was left, and nobody is at work"


@pytest.mark.parametrize(
    "spoil",
    [
        changed_report("metrics", next_float),
        changed_report("counts", one_more_query),
        changed_report("bounds", wider_bounds),
        lost("reports/*.json", "report {path.name} is lost"),
        lost("reports/*.parquet", "Parquet {path.name} is lost"),
        lost("artifacts/features/*", "artifact {inside} is lost"),
        lost("artifacts/scores/*/*.parquet", "artifact scores/{path.parent.name}: file "),
        flipped_bit,
        other_queries,
        computed_again,
        one_too_many,
        left_lease,
    ],
)
def test_what_is_not_as_it_should_be_is_found(spoil, smoke, copied, module):
    expected = spoil(copied)
    found = module("chaos_compare").compare(smoke, copied).differences
    assert [difference for difference in found if difference.startswith(expected)] == found != []


def test_what_harms_nobody_is_counted(smoke, copied, module):
    log = process_log(copied)
    log.write_text("".join(log.read_text().splitlines(keepends=True)[1:]))
    (copied / "log" / "model-0123456789abcdef.log").write_text(log.read_text())  # what it printed
    (copied / "artifacts" / "fits" / ".unfinished-x").mkdir()
    (copied / "leases" / ".draft-x").touch()
    (copied / "checkpoints" / "x").mkdir(parents=True)
    (copied / "failures").mkdir(exist_ok=True)
    (copied / "failures" / first(copied, "reports/*.json").name).touch()
    found = module("chaos_compare").compare(smoke, copied)
    assert found.differences == []
    assert found.odd == {
        "artifacts published but not logged": 1,
        "drafts of leases": 1,
        "failures beside a report": 1,
        "checkpoints of finished trainings": 1,
        ".unfinished-*": 1,
    }


def test_a_kill_waits_for_a_sign_of_work(tmp_path, module):
    aims = module("chaos_aim")
    spread = aims.Spread(seen=0, finished=0)
    drawn = [aims.Aim(tmp_path, random.Random(seed), spread) for seed in range(20)]
    by_lease = [aim for aim in drawn if aim.sign is aims.anything]
    by_report = [aim for aim in drawn if aim.sign is aims.published]
    assert len(by_lease) + len(by_report) == 20
    assert by_lease
    assert by_report
    assert not any(aim.due() for aim in drawn)
    (tmp_path / "leases").mkdir()
    (tmp_path / "leases" / "model-0123456789abcdef.json").touch()
    assert all(aim.due() for aim in by_lease)
    assert not any(aim.due() for aim in by_report)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "0123456789abcdef.json").touch()
    assert all(aim.due() for aim in drawn)


def test_what_is_under_way_is_what_living_processes_hold(tmp_path, module):
    under_way = module("chaos_aim").under_way
    (tmp_path / "leases").mkdir()
    for pid, kind in ((1, "model"), (2, "scores"), (3, "fit")):
        path = tmp_path / "leases" / f"{kind}-{'0' * 16}.json"
        path.write_text(json.dumps({"owner": {"pid": pid}}))
    (tmp_path / "leases" / "extraction-torn.json").write_text("{")
    assert under_way(tmp_path, [1, 2]) == "model and scores"
    assert under_way(tmp_path, [4]) == "between stages, or starting"
