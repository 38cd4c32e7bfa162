"""bench.execution.leases: one owner at a time, whatever dies, sleeps or jumps."""

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bench.execution import lease_files, owner
from bench.execution.artifacts import FolderGoneError
from bench.execution.leases import EXPIRY, ONE_LOOK, RENEWAL, BusyError, Leases
from bench.execution.owner import Lease, Owner, this_machine, this_process
from registry.errors import WorkError

ROOT = Path(__file__).resolve().parent.parent
NAME = "model-0123"
ELSEWHERE = Owner("e" * 16, "elsewhere", "elsewhere's boot", 7, "1")


def no_links(path, target):
    raise OSError(errno.EPERM, "Operation not permitted")


class Clock:
    """A monotonic clock that is moved by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["links", "folders"])
def runs(request, tmp_path, monkeypatch):
    """A run folder, on a disk that knows hard links and on one that does not."""
    if request.param == "folders":
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    (tmp_path / "leases").mkdir()
    return tmp_path


def some(runs, clock=time.monotonic, by=None):
    return Leases(runs, clock=clock, owner=by or this_process())


def gone_process():
    """One of this machine that has ended, and was waited for."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return replace(this_process(), pid=child.pid, born="1")


def left_by(by, runs, name=NAME):
    lease = Lease(by, "training tiny_vit", "yesterday", counter=3)
    assert lease_files.put(runs / "leases" / f"{name}.json", lease)
    return lease


def on_disk(runs, name=NAME):
    return lease_files.read(runs / "leases" / f"{name}.json")


def files(runs):
    return sorted(path.name for path in (runs / "leases").iterdir())


def look(leases, clock, seconds, every=1.0):
    """Look again and again, so many seconds long; return what is seen at the end."""
    for _ in range(int(seconds / every)):
        leases.busy(NAME)
        clock.now += every
    return leases.busy(NAME)


def test_a_lease_keeps_others_out_until_it_is_given_back(runs):
    mine, other = some(runs), some(runs)
    with mine.holding(NAME, "training tiny_vit"):
        assert on_disk(runs).owner == mine.owner
        assert on_disk(runs).what == "training tiny_vit"
        with pytest.raises(BusyError, match=f"training tiny_vit, by process {os.getpid()} on "):
            other._take(other._path(NAME), "the same")
        with other.holding("fit-0123", "something else"):
            assert len(files(runs)) == 2
    assert files(runs) == []
    with other.holding(NAME, "the same"):
        pass
    assert files(runs) == []


def test_a_failure_gives_it_back_too(runs):
    with pytest.raises(ZeroDivisionError), some(runs).holding(NAME, "x"):
        raise ZeroDivisionError
    assert files(runs) == []


def test_leaving_gives_everything_back_and_ends_the_thread(runs):
    before = threading.active_count()
    with some(runs) as mine:
        assert threading.active_count() == before + 1
        mine.held[mine._path(NAME)] = mine._take(mine._path(NAME), "x")
    assert files(runs) == []
    for thread in threading.enumerate():
        if thread.name == "leases":
            thread.join(timeout=5)
    assert threading.active_count() == before


def test_the_thread_renews(runs, monkeypatch):
    monkeypatch.setattr("bench.execution.leases.RENEWAL", 0.01)
    with some(runs) as mine, mine.holding(NAME, "x"):
        ends = time.monotonic() + 30
        while on_disk(runs).counter < 2 and time.monotonic() < ends:
            time.sleep(0.01)
        assert on_disk(runs).counter >= 2


def test_renewing_raises_the_counter_alone(runs):
    mine = some(runs)
    with mine.holding(NAME, "x"):
        before = on_disk(runs)
        mine.renew()
        mine.renew()
        assert on_disk(runs) == replace(before, counter=2)
        assert files(runs) == [f"{NAME}.json"]
    assert files(runs) == []


def test_a_renewal_that_finds_no_room_is_made_the_next_time(runs, monkeypatch):
    mine = some(runs)
    with mine.holding(NAME, "x"):
        with monkeypatch.context() as full:

            def no_space(path, lease):
                raise OSError(errno.ENOSPC, "No space left on device")

            full.setattr(lease_files, "replace", no_space)
            mine.renew()
        mine.renew()
        assert on_disk(runs).counter == 1


def test_one_that_is_renewed_never_dies(runs, clock):
    mine, looker = some(runs), some(runs, clock)
    with mine.holding(NAME, "x"):
        for _ in range(100):
            mine.renew()
            assert look(looker, clock, RENEWAL) is not None


def test_one_that_stands_still_for_a_minute_is_dead_and_not_before(runs, clock):
    left_by(ELSEWHERE, runs)
    looker = some(runs, clock)
    assert look(looker, clock, EXPIRY - 1) is not None
    with pytest.raises(BusyError), looker.holding(NAME, "x"):
        pass
    clock.now += 1
    assert looker.busy(NAME) is None
    with looker.holding(NAME, "mine"):
        assert on_disk(runs).owner == looker.owner
    assert files(runs) == []


def test_one_renewal_starts_the_minute_anew(runs, clock):
    lease = left_by(ELSEWHERE, runs)
    looker = some(runs, clock)
    look(looker, clock, EXPIRY - 1)
    lease_files.replace(runs / "leases" / f"{NAME}.json", replace(lease, counter=4))
    assert look(looker, clock, EXPIRY - 1) is not None
    assert look(looker, clock, 2) is None


def test_a_looker_that_slept_has_seen_nothing(runs, clock):
    """A whole machine that is paused wakes its looker and its owners together."""
    left_by(ELSEWHERE, runs)
    looker = some(runs, clock)
    looker.busy(NAME)
    clock.now += 1e6
    assert looker.busy(NAME) is not None
    assert look(looker, clock, EXPIRY - ONE_LOOK - 1) is not None
    assert look(looker, clock, 1) is None


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_jumps_of_the_wall_clock_change_nothing(runs, clock, monkeypatch, jump):
    mine, looker = some(runs), some(runs, clock)
    real = time.time
    with mine.holding(NAME, "x"):
        assert looker.busy(NAME) is not None
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        path = runs / "leases" / f"{NAME}.json"
        os.utime(path, (real() + jump, real() + jump))
        assert looker.busy(NAME) is not None
        mine.renew()
        assert look(looker, clock, EXPIRY - 1) is not None
        assert on_disk(runs).owner == mine.owner


def test_a_dead_process_of_this_machine_is_replaced_at_once(runs):
    left_by(gone_process(), runs)
    mine = some(runs)
    assert mine.busy(NAME) is None
    with mine.holding(NAME, "x"):
        assert on_disk(runs).owner == mine.owner
    assert files(runs) == []


def test_a_number_used_again_is_another_process():
    me = this_process()
    assert not me.gone()
    assert replace(me, born="1").gone()
    assert not replace(me, born=None).gone()
    assert not replace(me, machine="another boot", pid=2**22 + 1).gone()
    assert replace(me, pid=2**22 + 1).gone()


def test_a_zombie_is_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lease = replace(this_process(), pid=child.pid, born=owner._born(child.pid))
    assert not lease.gone()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, not yet waited for
    assert lease.gone()
    child.communicate()


def test_a_process_nobody_may_look_at_is_alive(monkeypatch):
    monkeypatch.setattr(owner, "_stat", lambda pid: None)
    assert not this_process().gone()

    def forbidden(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    assert not this_process().gone()


def test_a_machine_is_not_its_hosts_name_alone(monkeypatch, tmp_path):
    before = this_machine()
    (tmp_path / "boot").write_text("another boot\n")
    monkeypatch.setattr(owner, "BOOT", tmp_path / "boot")
    assert this_machine() != before


def test_sweeping_clears_what_the_dead_left_and_nothing_else(runs):
    dead, live = gone_process(), this_process()
    for by in (dead, live, ELSEWHERE):
        left_by(by, runs, f"fit-{by.id}")
        lease_files._draft(runs / "leases", Lease(by, "x", "now"))
    some(runs).sweep()
    kept = [lease.owner.id for _, lease in lease_files.all_in(runs / "leases")]
    assert sorted(kept) == sorted([live.id, ELSEWHERE.id] * 2)


def test_who_was_taken_over_goes_on_and_leaves_the_heirs_lease_alone(runs, clock):
    told = []
    slow, heir = some(runs), some(runs, clock)
    slow.say = told.append
    with slow.holding(NAME, "training"):
        look(heir, clock, EXPIRY)
        with heir.holding(NAME, "training"):
            slow.renew()
            assert told == ["this process stood still, and another has taken over: training"]
            slow.renew()
            assert len(told) == 1
            assert on_disk(runs).owner == heir.owner
            slow.held[slow._path(NAME)] = on_disk(runs)  # as if it had not noticed
            slow._release(slow._path(NAME))
            assert on_disk(runs).owner == heir.owner
    assert files(runs) == []


def test_a_lease_that_turns_out_to_be_anothers_is_put_back(runs):
    """Between the look and the move it can change hands."""
    lease = left_by(ELSEWHERE, runs)
    path = runs / "leases" / f"{NAME}.json"
    assert not lease_files.take_away(path, this_process())
    assert not lease_files.take_away(path, ELSEWHERE, counter=2)
    assert on_disk(runs) == lease
    assert files(runs) == [path.name]
    assert lease_files.take_away(path, ELSEWHERE, counter=3)
    assert not lease_files.take_away(path, ELSEWHERE)
    assert files(runs) == []


def test_who_acts_late_on_an_early_look_takes_nothing_away(runs):
    """The others saw the same dead lease; the first has replaced it by now."""
    dead = left_by(gone_process(), runs)
    first, late = some(runs), some(runs)
    with first.holding(NAME, "x"):
        assert not late._bury(late._path(NAME), dead)
        assert on_disk(runs).owner == first.owner


def test_an_heir_that_died_while_clearing_is_replaced_too(runs):
    dead = gone_process()
    for name in (NAME, f"{NAME}.heir", f"{NAME}.heir.heir"):
        left_by(dead, runs, name)
    with some(runs).holding(NAME, "x"):
        pass
    assert files(runs) == []


def test_an_heir_at_work_is_waited_for(runs):
    left_by(gone_process(), runs)
    left_by(ELSEWHERE, runs, f"{NAME}.heir")
    with pytest.raises(BusyError), some(runs).holding(NAME, "x"):
        pass


def race(runs, index, start, won, all_tried):
    leases = some(runs)
    start.wait()
    try:
        with leases.holding(NAME, f"racer {index}"):
            won.append(index)
            all_tried.wait()
    except BusyError:
        all_tried.wait()


@pytest.mark.parametrize("dead", [True, False])
def test_of_many_threads_exactly_one_wins(runs, dead):
    """Over a dead lease, and for a free name; the winner holds it until all have tried."""
    corpse, racers = gone_process(), 8
    for _ in range(60):
        if dead:
            left_by(corpse, runs)
        won, start, end = [], threading.Barrier(racers), threading.Barrier(racers)
        threads = [
            threading.Thread(target=race, args=(runs, index, start, won, end))
            for index in range(racers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1, won
        assert files(runs) == []


RACER = """
import sys
from pathlib import Path
from bench.execution.leases import BusyError, Leases
for line in sys.stdin:
    try:
        with Leases(Path(line.strip())).holding("model-0123", "x"):
            print("won", flush=True)
            sys.stdin.readline()
    except BusyError:
        print("busy", flush=True)
        sys.stdin.readline()
"""


@pytest.mark.parametrize("dead", [True, False])
def test_of_many_processes_exactly_one_wins(tmp_path, dead):
    command, corpse = [sys.executable, "-c", RACER], gone_process()
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(
                    command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            )
            for _ in range(4)
        ]
        for index in range(100):
            runs = tmp_path / str(index)
            (runs / "leases").mkdir(parents=True)
            if dead:
                left_by(corpse, runs)
            tell(racers, str(runs))
            answers = sorted(racer.stdout.readline().strip() for racer in racers)
            assert answers == ["busy", "busy", "busy", "won"]
            tell(racers, "let go")
        for racer in racers:
            racer.stdin.close()


def tell(racers, line):
    for racer in racers:
        racer.stdin.write(f"{line}\n")
        racer.stdin.flush()


def test_a_crash_before_the_link_leaves_nothing_harmful(runs, monkeypatch):
    code = (
        "import os, sys; from pathlib import Path; from bench.execution.leases import Leases\n"
        "from bench.execution import lease_files\n"
        "lease_files._named = lambda draft, path: os._exit(9)\n"
        f"Leases(Path(sys.argv[1]))._take(Path(sys.argv[1]) / 'leases' / '{NAME}.json', 'x')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(runs)], check=False)
    assert done.returncode == 9
    assert [name[:7] for name in files(runs)] == [".draft-"]
    with some(runs) as mine, mine.holding(NAME, "x"):
        assert on_disk(runs).owner == mine.owner
    assert files(runs) == []


def test_an_answer_that_is_lost_and_repeated_is_understood(tmp_path, monkeypatch):
    """A network disk may do a link, and say at the second try that the name is taken."""
    (tmp_path / "leases").mkdir()
    link = Path.hardlink_to

    def repeated(self, target):
        link(self, target)
        raise FileExistsError

    monkeypatch.setattr(Path, "hardlink_to", repeated)
    with some(tmp_path).holding(NAME, "x"):
        pass
    assert files(tmp_path) == []


def test_a_name_is_taken_whatever_holds_it(runs, monkeypatch):
    """Hosts may differ in what they can do on one disk: a link here, a folder there."""
    first = left_by(ELSEWHERE, runs)
    for refuse in (True, False):
        with monkeypatch.context() as disk:
            if refuse:
                disk.setattr(Path, "hardlink_to", no_links)
            path = runs / "leases" / f"{NAME}.json"
            assert not lease_files.put(path, Lease(this_process(), "x", "now"))
    assert on_disk(runs) == first
    assert files(runs) == [f"{NAME}.json"]


def test_a_disk_that_fails_is_no_disk_without_links(tmp_path, monkeypatch):
    def broken(self, target):
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "leases").mkdir()
    monkeypatch.setattr(Path, "hardlink_to", broken)
    with pytest.raises(WorkError, match="Input/output error"), some(tmp_path).holding(NAME, "x"):
        pass
    assert files(tmp_path) == []


def test_a_lease_is_on_the_disk_before_it_has_its_name(runs, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda number: seen.append((os.fstat(number), files(runs))))
    left_by(ELSEWHERE, runs)
    ((stat, names),) = seen
    assert stat.st_size > 0
    assert [name[:7] for name in names] == [".draft-"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"owner": 1}', '{"owner": {"id": "x"}}'])
def test_a_damaged_lease_dies_as_others_do(tmp_path, clock, content):
    (tmp_path / "leases").mkdir()
    (tmp_path / "leases" / f"{NAME}.json").write_text(content)
    mine = some(tmp_path, clock)
    with pytest.raises(BusyError, match="unreadable"), mine.holding(NAME, "x"):
        pass
    assert look(mine, clock, EXPIRY) is None
    with mine.holding(NAME, "x"):
        (tmp_path / "leases" / f"{NAME}.json").write_text(content)
        mine.renew()
        assert mine.held


@pytest.mark.parametrize("refusing", ["_draft", "all_in"])
def test_a_read_only_folder_is_a_clear_error(tmp_path, monkeypatch, refusing):
    def read_only(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(lease_files, refusing, read_only)
    message = r"cannot write .*leases.*: Read-only file system; .* --runs"
    with pytest.raises(WorkError, match=message), some(tmp_path) as mine, mine.holding(NAME, "x"):
        pass


def lose(mine, error):
    with mine.holding(NAME, "x"):
        shutil.rmtree(mine.runs)
        mine.renew()
        if error:
            raise error


def test_a_run_folder_that_is_removed_is_a_clear_error(tmp_path):
    with some(tmp_path / "runs") as mine:
        with pytest.raises(FolderGoneError, match="was removed"):
            lose(mine, None)
        with pytest.raises(FolderGoneError, match="was removed"), mine.holding(NAME, "x"):
            pass
        assert mine.busy(NAME) is None


def test_a_removed_folder_does_not_hide_another_failure(tmp_path):
    with some(tmp_path / "runs") as mine, pytest.raises(KeyboardInterrupt):
        lose(mine, KeyboardInterrupt())
