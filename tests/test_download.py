"""bench.download: a file is there whole and right, or not at all; what came is not lost."""

import errno
import hashlib
import io
import json
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from bench.download import disk
from bench.download.disk import check_space
from bench.download.fetch import Patience, back_off, fetch
from bench.download.lock import only_one
from registry.datasets.remote import RemoteFile
from registry.errors import WorkError
from tests.hostile_server import (
    CONTENT,
    ETAG,
    answering,
    chunked,
    falling_silent,
    hanging_up,
    honest,
    partial,
    redirecting,
    serving,
    without_length,
    without_ranges,
)

SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[::-1]
KNOWN = {"size": SIZE, "sha256": SHA256}
UNKNOWN = {"size": None, "sha256": None}
IMPATIENT = Patience(attempts=3, timeout=5, pause=lambda failures: None)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def get(tmp_path):
    """Fetch from servers into the test's folder; the content may be expected to be another."""

    def call(*urls, expected=KNOWN, **options):
        file = RemoteFile(name="file", urls=urls, **expected)
        path = fetch(file, tmp_path, **{"patience": IMPATIENT, **options})
        assert path == tmp_path / "file"
        return path.read_bytes()

    return call


def left(folder):
    """What lies in the folder, less locks."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def leave_part(folder, content, *, url=None, mark=ETAG):
    (folder / "file.part").write_bytes(content)
    if url:
        (folder / "file.part.json").write_text(json.dumps({"url": url, "mark": mark}))


# What is there already.


def test_a_file_that_is_there_is_not_asked_for(get, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    assert get("http://127.0.0.1:1/never") == CONTENT
    assert left(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1], rf"file has {SIZE - 1} bytes, expected {SIZE}: move it away or delete it"),
        (OTHER, rf"file has sha256 \w{{64}}, expected {SHA256}: move it away"),
    ],
)
def test_another_file_of_that_name_stays_and_is_named(get, tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(WorkError, match=message):
        get("http://127.0.0.1:1/never")
    assert (tmp_path / "file").read_bytes() == content


def test_a_folder_of_that_name_is_no_file(get, tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(WorkError, match="is not a file"):
        get("http://127.0.0.1:1/never")


# Servers that do as they should.


def test_a_fetched_file_leaves_nothing_beside_it(get, tmp_path):
    with serving(honest()) as server:
        assert get(server.url) == CONTENT
    assert left(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "expected", [UNKNOWN, {"size": SIZE}, {"md5": hashlib.md5(CONTENT).hexdigest().upper()}]
)
def test_what_is_known_of_a_file_may_be_little(get, expected):
    with serving(honest()) as server:
        assert get(server.url, expected=expected) == CONTENT


def test_an_empty_file_is_a_file(get):
    with serving(honest(b"")) as server:
        assert get(server.url, expected={"size": 0}) == b""


def test_progress_is_told_in_bytes_of_the_file(get, tmp_path):
    seen = []
    leave_part(tmp_path, CONTENT[:1000])
    with serving(honest()) as server:
        get(server.url, on_bytes=lambda *told: seen.append(told))
    assert seen[0] == (1000, SIZE)
    assert seen[-1] == (SIZE, SIZE)
    assert seen == sorted(seen)


def test_progress_may_have_no_end_in_sight(get):
    seen = []
    with serving(chunked(CONTENT)) as server:
        get(
            server.url, expected={"sha256": SHA256}, on_bytes=lambda done, total: seen.append(total)
        )
    assert set(seen) == {None}


def test_a_redirect_is_followed_with_the_range(get, tmp_path):
    leave_part(tmp_path, CONTENT[:1000])
    with serving(honest()) as server, serving(redirecting(server.url)) as first:
        assert get(first.url) == CONTENT
    assert server.ranges == ["bytes=1000-"]


# Connections that end too early.


def test_a_dropped_connection_is_resumed_where_it_stopped(get):
    with serving(honest(most=60_000), honest(most=30_000), honest()) as server:
        assert get(server.url) == CONTENT
    assert server.ranges == [None, "bytes=60000-", "bytes=90000-"]
    assert [headers.get("If-Range") for headers in server.requests] == [None, ETAG, ETAG]


def test_a_file_of_unknown_size_and_hash_is_resumed_by_its_mark(get):
    with serving(honest(most=60_000), honest()) as server:
        assert get(server.url, expected=UNKNOWN) == CONTENT
    assert server.ranges == [None, "bytes=60000-"]


def test_without_mark_and_hash_a_file_is_started_over(get):
    with serving(honest(etag=None, most=60_000), honest(OTHER, etag=None)) as server:
        assert get(server.url, expected={"size": SIZE}) == OTHER
    assert server.ranges == [None, None]


def test_a_weak_mark_is_not_one_to_resume_by(get):
    with serving(honest(etag='W/"one"', most=60_000), honest(etag='W/"one"')) as server:
        assert get(server.url, expected={"size": SIZE}) == CONTENT
    assert server.ranges == [None, None]


def test_an_earlier_run_is_gone_on_with(get, tmp_path):
    with serving(honest(most=70_000), hanging_up) as server:
        with pytest.raises(WorkError, match=r"3 attempts without a new byte.*\n.*run again"):
            get(server.url)
        assert (tmp_path / "file.part").read_bytes() == CONTENT[:70_000]
        server.behaviours[:] = [honest()]
        assert get(server.url) == CONTENT
    assert server.ranges[-1] == "bytes=70000-"


def test_new_bytes_are_new_hope(get):
    """Attempts are counted from the last new byte, or four drops would be one too many."""
    with serving(*[honest(most=20_000)] * 4, honest()) as server:
        assert get(server.url) == CONTENT


def test_pauses_grow_while_nothing_comes(get):
    pauses = []
    patience = Patience(attempts=3, pause=pauses.append)
    with serving(hanging_up, hanging_up, honest(most=9), hanging_up, honest()) as server:
        get(server.url, patience=patience)
    assert pauses == [1, 2, 0, 1]


def test_the_usual_pause_is_bounded(monkeypatch):
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    for failures in (0, 1, 9):
        back_off(failures)
    assert pauses == [1, 2, 30]


def test_a_server_without_ranges_starts_over(get):
    with serving(without_ranges(most=60_000), without_ranges()) as server:
        assert get(server.url) == CONTENT
    assert server.ranges == [None, "bytes=60000-"]


@pytest.mark.parametrize("most", [[60_000] * 9, [60_000, 30_000] * 4])
def test_starting_over_each_time_comes_to_an_end(get, most):
    with (
        serving(*[without_ranges(most=bytes_sent) for bytes_sent in most]) as server,
        pytest.raises(WorkError, match=f"ended after {most[3]} of {SIZE} bytes"),
    ):
        get(server.url)
    assert len(server.requests) == 4


def test_a_chunked_body_that_breaks_off_is_resumed(get):
    with serving(chunked(CONTENT[:50_000], end=False), honest()) as server:
        assert get(server.url, expected={"sha256": SHA256}) == CONTENT
    assert server.ranges == [None, "bytes=50000-"]


def test_the_length_of_a_chunked_body_is_not_that_of_the_file(get):
    with serving(chunked(CONTENT, Content_Length=5)) as server:
        assert get(server.url) == CONTENT


def test_a_server_that_falls_silent_is_given_up(get):
    patience = Patience(attempts=1, timeout=0.05, pause=lambda failures: None)
    with serving(falling_silent) as server, pytest.raises(WorkError, match="timed out"):
        get(server.url, patience=patience)


def test_an_interrupted_run_keeps_what_came(get, tmp_path):
    def interrupt(done, total):
        if done >= 1:
            raise KeyboardInterrupt

    with serving(honest(most=60_000), honest()) as server:
        with pytest.raises(KeyboardInterrupt):
            get(server.url, on_bytes=interrupt)
        came = (tmp_path / "file.part").stat().st_size
        assert came > 0
        assert get(server.url) == CONTENT
    assert server.ranges == [None, f"bytes={came}-"]


# Servers that say one thing and do another.


def test_a_file_that_changed_is_not_glued_together(get):
    with serving(honest(OTHER, etag='"old"', most=60_000), honest()) as server:
        assert get(server.url, expected={"size": SIZE}) == CONTENT
    assert server.ranges == [None, "bytes=60000-"]


def test_nor_where_the_server_knows_no_if_range(get):
    changed = partial(f"bytes 60000-{SIZE - 1}/{SIZE}", CONTENT[60_000:], etag='"new"')
    with serving(honest(OTHER, etag='"old"', most=60_000), changed, honest()) as server:
        assert get(server.url, expected={"size": SIZE}) == CONTENT
    assert server.ranges == [None, "bytes=60000-", None]


def test_a_206_need_not_repeat_the_mark(get):
    extent = f"bytes 60000-{SIZE - 1}/{SIZE}"
    unmarked = partial(extent, CONTENT[60_000:], etag=None, most=9)
    with serving(honest(most=60_000), unmarked, honest()) as server:
        assert get(server.url, expected=UNKNOWN) == CONTENT
    assert server.ranges == [None, "bytes=60000-", "bytes=60009-"]


def test_a_mark_is_forgotten_with_the_file_that_had_it(get, tmp_path):
    with serving(honest(OTHER, etag=None, most=60_000), honest(OTHER, etag=None)) as server:
        leave_part(tmp_path, CONTENT[:1000], url=server.url)
        assert get(server.url, expected={"size": SIZE}) == OTHER
    assert server.ranges == ["bytes=1000-", None]


@pytest.mark.parametrize("extent", [f"bytes 0-{SIZE - 1}/{SIZE}", "bytes 7-9/*", "nonsense", ""])
def test_a_range_that_was_not_asked_for_is_refused(get, tmp_path, extent):
    leave_part(tmp_path, CONTENT[:1000])
    with (
        serving(partial(extent)) as server,
        pytest.raises(WorkError, match="where bytes from 1000 on were asked"),
    ):
        get(server.url)
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:1000]


def test_a_range_of_a_file_of_unknown_length_says_where_it_ends(get, tmp_path):
    leave_part(tmp_path, CONTENT[:1000])
    cut = partial(f"bytes 1000-{SIZE - 1}/*", CONTENT[1000:2000])
    with serving(cut, honest()) as server:
        assert get(server.url, expected={"sha256": SHA256}) == CONTENT
    assert server.ranges == ["bytes=1000-", "bytes=2000-"]


def test_a_short_range_is_asked_on(get, tmp_path):
    leave_part(tmp_path, CONTENT[:1000])
    piece = partial(f"bytes 1000-1999/{SIZE}", CONTENT[1000:2000])
    with serving(piece, honest()) as server:
        assert get(server.url) == CONTENT
    assert server.ranges == ["bytes=1000-", "bytes=2000-"]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x"])
def test_another_length_than_the_known_is_refused_unread(get, tmp_path, content):
    with (
        serving(honest(content)) as server,
        pytest.raises(WorkError, match=f"offers {len(content)} bytes, expected {SIZE}"),
    ):
        get(server.url)
    assert left(tmp_path) == []


def test_a_length_that_is_never_sent_is_no_whole_file(get, tmp_path):
    with (
        serving(without_ranges(CONTENT + b"x", most=SIZE)) as server,
        pytest.raises(WorkError, match=f"ended after {SIZE} of {SIZE + 1} bytes"),
    ):
        get(server.url, expected=UNKNOWN)
    assert "file" not in left(tmp_path)


@pytest.mark.parametrize("send", [without_length, chunked])
def test_no_more_is_written_than_is_known_to_be(get, tmp_path, send):
    seen = []
    with (
        serving(send(CONTENT + b"x" * 9_000_000)) as server,
        pytest.raises(WorkError, match=f"sends more than {SIZE} bytes"),
    ):
        get(server.url, on_bytes=lambda done, total: seen.append(done))
    assert max(seen) <= SIZE
    assert left(tmp_path) == []


@pytest.mark.parametrize("expected", [{"size": SIZE}, {"sha256": SHA256}])
def test_a_size_or_a_hash_stands_in_for_the_length(get, expected):
    with serving(without_length()) as server:
        assert get(server.url, expected=expected) == CONTENT


def test_without_size_hash_and_length_nothing_is_taken(get, tmp_path):
    with (
        serving(without_length()) as server,
        pytest.raises(WorkError, match="does not say how long the file is"),
    ):
        get(server.url, expected=UNKNOWN)
    assert left(tmp_path) == []


def test_a_wrong_hash_is_said_and_nothing_kept(get, tmp_path):
    wrong = hashlib.sha256(OTHER).hexdigest()
    with (
        serving(honest(OTHER)) as server,
        pytest.raises(WorkError, match=f"has sha256 {wrong}, expected {SHA256}; it was del"),
    ):
        get(server.url)
    assert left(tmp_path) == []


def test_both_hashes_are_checked(get):
    with serving(honest()) as server, pytest.raises(WorkError, match=r"has md5 \w+, expected 00"):
        get(server.url, expected={**KNOWN, "md5": "00"})


# Parts that do not fit.


def test_a_whole_part_only_gets_its_name(get, tmp_path):
    leave_part(tmp_path, CONTENT)
    assert get("http://127.0.0.1:1/never") == CONTENT
    assert left(tmp_path) == ["file"]


def test_a_whole_part_of_unknown_size_is_seen_by_the_416(get, tmp_path):
    with serving(honest()) as server:
        leave_part(tmp_path, CONTENT, url=server.url)
        assert get(server.url, expected=UNKNOWN) == CONTENT
    assert server.ranges == [f"bytes={SIZE}-"]


def test_a_part_that_is_too_long_is_started_over(get, tmp_path):
    with serving(honest()) as server:
        leave_part(tmp_path, CONTENT + b"x", url=server.url)
        assert get(server.url, expected=UNKNOWN) == CONTENT
    assert server.ranges == [f"bytes={SIZE + 1}-", None]


@pytest.mark.parametrize("content", [OTHER, CONTENT + b"x"])
def test_a_part_that_can_be_seen_to_be_wrong_is_started_over(get, tmp_path, content):
    leave_part(tmp_path, content)
    with serving(honest()) as server:
        assert get(server.url) == CONTENT
    assert server.ranges == [None]


def test_a_part_with_a_wrong_beginning_is_started_over_by_the_next_run(get, tmp_path):
    leave_part(tmp_path, OTHER[:1000])
    with serving(honest()) as server:
        with pytest.raises(WorkError, match="it was deleted"):
            get(server.url)
        assert get(server.url) == CONTENT


@pytest.mark.parametrize("note", ["", "[]", '{"url": 1}', '{"url": "URL", "mark": 5}'])
def test_a_damaged_note_is_none(get, tmp_path, note):
    leave_part(tmp_path, OTHER[:1000])
    with serving(honest()) as server:
        (tmp_path / "file.part.json").write_text(note.replace("URL", server.url))
        assert get(server.url, expected=UNKNOWN) == CONTENT
    assert server.ranges == [None]


# Addresses.


@pytest.mark.parametrize("status", [403, 404, 410, 416])
def test_a_refusal_is_not_asked_again(get, status):
    with (
        serving(answering(status)) as server,
        pytest.raises(WorkError, match=rf"{server.url}: {status} \w+"),
    ):
        get(server.url)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(get, status):
    with serving(answering(status), honest()) as server:
        assert get(server.url) == CONTENT


def test_addresses_are_tried_in_order(get):
    with (
        serving(answering(404)) as gone,
        serving(honest(OTHER)) as wrong,
        serving(honest()) as good,
    ):
        assert get(gone.url, wrong.url, good.url, "http://127.0.0.1:1/never") == CONTENT
    assert good.ranges == [None]


def test_the_next_address_goes_on_where_a_hash_will_tell(get):
    with serving(honest(most=60_000), hanging_up) as first, serving(honest(etag='"2"')) as second:
        assert get(first.url, second.url) == CONTENT
    assert second.ranges == ["bytes=60000-"]
    assert "If-Range" not in second.requests[0]


def test_the_next_address_starts_over_where_none_will(get):
    with serving(honest(OTHER, most=60_000), hanging_up) as first, serving(honest()) as second:
        assert get(first.url, second.url, expected={"size": SIZE}) == CONTENT
    assert second.ranges == [None]


def test_the_error_says_what_each_address_did(get, tmp_path):
    with (
        serving(answering(404)) as gone,
        serving(hanging_up) as dead,
        pytest.raises(WorkError) as caught,
    ):
        get(gone.url, dead.url)
    first, one, two, cure = str(caught.value).splitlines()
    assert first == "cannot fetch file:"
    assert one == f"  {gone.url}: 404 Not Found"
    assert two.startswith(f"  {dead.url}: ")
    assert two.endswith("(3 attempts without a new byte)")
    assert cure == f"run again to go on, or put the file at {tmp_path / 'file'} yourself"


def test_nobody_there_is_said(get):
    with serving(honest()) as server:
        url = server.url
    with pytest.raises(WorkError, match="Connection refused"):
        get(url)


@pytest.mark.parametrize("scheme", ["file", "data", "", "gopher"])
def test_only_the_network_is_fetched_from(get, tmp_path, scheme):
    (tmp_path / "secret").write_bytes(CONTENT)
    with pytest.raises(WorkError, match="not fetched: only http, https, ftp are"):
        get(f"{scheme}://{tmp_path}/secret")
    assert left(tmp_path) == ["secret"]


def test_a_redirect_to_this_machines_files_is_refused(get, tmp_path):
    (tmp_path / "secret").write_bytes(CONTENT)
    with (
        serving(redirecting((tmp_path / "secret").as_uri())) as server,
        pytest.raises(WorkError, match=r"302 .*not allowed"),
    ):
        get(server.url)
    assert left(tmp_path) == ["secret"]


# The disk.


class Full(io.FileIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_keeps_what_came(get, tmp_path, monkeypatch):
    usual = Path.open

    def opened(path, mode="r", *arguments, **options):
        return Full(path, mode) if mode == "ab" else usual(path, mode, *arguments, **options)

    leave_part(tmp_path, CONTENT[:1000])
    with serving(honest()) as server:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", opened)
            with pytest.raises(WorkError, match=r"file\.part: No space .*; free some space, then"):
                get(server.url)
        assert get(server.url) == CONTENT
    assert server.ranges == ["bytes=1000-"] * 2


@pytest.mark.parametrize("expected", [KNOWN, UNKNOWN])
def test_what_does_not_fit_is_not_begun(get, tmp_path, monkeypatch, expected):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage(SIZE - 1))
    with (
        serving(honest()) as server,
        pytest.raises(WorkError, match=r"0\.00 GB free, 0\.00 GB are needed"),
    ):
        get(server.url, expected=expected)
    assert left(tmp_path) == []


def test_only_what_is_missing_has_to_fit(get, tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage(SIZE - 1))
    leave_part(tmp_path, CONTENT[:1])
    with serving(honest()) as server:
        assert get(server.url) == CONTENT


def test_space_is_counted_in_gigabytes_and_before_the_folder_is_there(tmp_path):
    check_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(WorkError, match=r"yet has \d+\.\d\d GB free, 1000000000\.00 GB are needed"):
        check_space(tmp_path / "not" / "yet", 10**18)


def test_a_folder_that_cannot_be_made_is_named(get, tmp_path):
    (tmp_path / "taken").write_text("")
    file = RemoteFile(name="file", urls=(), **KNOWN)
    with pytest.raises(WorkError, match=r"cannot write .*name a folder you may write"):
        fetch(file, tmp_path / "taken" / "below")


# One at a time.

HOLD = """
import sys, pathlib
from bench.download.lock import only_one
with only_one(pathlib.Path(sys.argv[1]), "file"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock, where one that is gone by now has held it."""
    (tmp_path / ".file.lock").write_text("process 1 on another machine with a long name\n")
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_lock_is_let_go_though_a_child_lives(tmp_path):
    reader, writer = os.pipe()
    with only_one(tmp_path, "x"):
        child = os.fork()
        if not child:
            os.read(reader, 1)
            os._exit(0)
    try:
        with only_one(tmp_path, "x"):
            pass
    finally:
        os.write(writer, b"x")
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def test_a_second_process_is_told_who_is_at_it(get, holder):
    with pytest.raises(WorkError, match=rf"is being made by process {holder.pid} on [^ \n]+: wait"):
        get("http://127.0.0.1:1/never")


def test_a_lock_goes_with_its_process(get, holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / ".file.lock").exists()
    with serving(honest()) as server:
        assert get(server.url) == CONTENT


def test_a_lock_is_let_go_after_an_error(tmp_path):
    with pytest.raises(KeyError), only_one(tmp_path, "x"):
        raise KeyError
    with only_one(tmp_path, "x"), pytest.raises(WorkError), only_one(tmp_path, "x"):
        pass
    with only_one(tmp_path, "x"), only_one(tmp_path, "y"):
        pass


def test_what_another_process_finished_meanwhile_is_taken(get, tmp_path, monkeypatch):
    finished = only_one

    def late(folder, name):
        (folder / name).write_bytes(CONTENT)
        return finished(folder, name)

    monkeypatch.setattr("bench.download.fetch.only_one", late)
    assert get("http://127.0.0.1:1/never") == CONTENT
