"""bench.pixels: what is put is got, whatever happens to the files, and never more than allowed."""

import os
import resource
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import pixels
from bench.pixels import LOOK_EVERY, RECORD, RESERVE, Cache

IMAGES = 40


def picture(position, height=4, width=5):
    return np.random.default_rng(position).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def said():
    return []


@pytest.fixture
def opened(tmp_path, said):
    """Open the one store of the folder anew, as another process would."""

    def call(limit=10**9, images=IMAGES, root=tmp_path / "cache"):
        return Cache(root, limit, said.append).store("key", images, {"dataset": "naïve ☕"})

    return call


def file_of(store, suffix):
    (path,) = store.folder.glob(f"*.{suffix}")
    return path


def same(found, expected):
    return found is not None and found.dtype == np.uint8 and np.array_equal(found, expected)


def test_what_is_put_is_got_here_and_by_the_next_process(opened, said):
    store = opened()
    shapes = {3: (1, 1), 0: (7, 2), 39: (64, 48), 5: (1, 300)}
    for position, shape in shapes.items():
        assert store.get(position) is None
        store.put(position, picture(position, *shape))
    for again in (store, opened()):
        for position in range(IMAGES):
            expected = picture(position, *shapes.get(position, (1, 1)))
            assert same(again.get(position), expected) == (position in shapes)
    assert said == []


def test_a_kept_image_cannot_be_changed(opened):
    store = opened()
    store.put(0, picture(0))
    with pytest.raises(ValueError, match="read-only"):
        store.get(0)[0, 0, 0] = 1


def test_the_folder_says_what_it_stands_for(opened):
    about = (opened().folder / "about.json").read_text(encoding="utf-8")
    assert '"dataset": "na\\u00efve \\u2615"' in about


def test_a_folder_may_have_any_name(tmp_path, opened):
    root = tmp_path / "Zürich ☕ 图片 'x y'"
    opened(root=root).put(1, picture(1))
    assert same(opened(root=root).get(1), picture(1))


def test_stores_of_two_keys_know_nothing_of_each_other(tmp_path):
    cache = Cache(tmp_path / "cache", 10**9)
    cache.store("one", IMAGES, {}).put(0, picture(0))
    assert cache.store("other", IMAGES, {}).get(0) is None
    assert same(cache.store("one", IMAGES, {}).get(0), picture(0))


def test_many_threads_put_and_get_at_once(opened):
    store = opened(images=400)

    def work(number):
        position = number % 400
        found = store.get(position)
        if found is None:
            store.put(position, picture(position, 1 + position % 9, 7))
            found = store.get(position)
        return same(found, picture(position, 1 + position % 9, 7))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(2000)))
    again = opened(images=400)
    assert all(same(again.get(p), picture(p, 1 + p % 9, 7)) for p in range(400))


def test_two_stores_that_write_in_turn_keep_each_others_images(opened):
    one, other = opened(), opened()
    for position in range(0, IMAGES, 2):
        one.put(position, picture(position))
        other.put(position + 1, picture(position + 1))
    assert one.get(1) is None  # it looked before the other wrote
    third = opened()
    assert all(same(third.get(position), picture(position)) for position in range(IMAGES))


WRITER = """
import sys
from pathlib import Path
from bench.pixels import Cache
from tests.test_pixels import picture
store = Cache(Path(sys.argv[1]), 10**9).store("key", 300, {"by": sys.argv[2]})
print("ready", flush=True)
sys.stdin.readline()
for position in range(300):
    if position % 3 != int(sys.argv[2]):
        store.put(position, picture(position, 9, 9))
"""


def test_two_processes_that_write_at_once_do_no_damage(opened, tmp_path):
    """A third of the images is written by both."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "cache"), number],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in "01"
    ]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]
    store = opened(images=300)
    assert all(same(store.get(p), picture(p, 9, 9)) for p in range(300))


@pytest.mark.parametrize("where", [0, 25, 59])
def test_a_damaged_image_is_not_got_and_can_be_put_again(opened, where):
    writer = opened()
    writer.put(0, picture(0))
    writer.put(1, picture(1))
    path = file_of(writer, "bin")
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    os.utime(path.with_suffix(".idx"), (1, 1))  # long ago
    for _ in range(5):  # file names are drawn: no order of them may matter
        store = opened()
        assert store.get(0) is None
        assert same(store.get(1), picture(1))
        store.put(0, picture(0))
        assert same(store.get(0), picture(0))
        assert same(opened().get(0), picture(0))
        [*_, mine] = sorted(store.folder.glob("*.bin"), key=lambda file: file.stat().st_mtime_ns)
        for file in (mine, mine.with_suffix(".idx")):
            file.unlink()


def test_a_damaged_checksum_counts_as_a_damaged_image(opened):
    writer = opened()
    writer.put(0, picture(0))
    change(file_of(writer, "idx"), crc=12345)
    assert opened().get(0) is None


@pytest.mark.parametrize("left", range(0, 3 * RECORD.itemsize, 7))
def test_a_torn_record_loses_its_own_image_alone(opened, left):
    writer = opened()
    for position in range(3):
        writer.put(position, picture(position))
    os.truncate(file_of(writer, "idx"), left)
    store = opened()
    for position in range(3):
        assert same(store.get(position), picture(position)) == (left >= 32 * (position + 1))
        store.put(position, picture(position))
    assert all(same(store.get(position), picture(position)) for position in range(3))


@pytest.mark.parametrize("left", [0, 1, 59, 60, 61, 119])
def test_a_cut_file_loses_what_was_cut_off(opened, left):
    writer = opened()
    writer.put(0, picture(0))
    writer.put(1, picture(1))
    before = opened()  # has not touched the pixels yet
    os.truncate(file_of(writer, "bin"), left)
    for store in (opened(), before):
        assert same(store.get(0), picture(0)) == (left >= 60)
        assert store.get(1) is None
        store.put(1, picture(1))
        assert same(store.get(1), picture(1))


@pytest.mark.parametrize("suffixes", [["bin"], ["idx"], ["bin", "idx"]])
def test_removed_files_are_images_to_decode_again(opened, suffixes):
    store = opened()
    store.put(0, picture(0))
    for suffix in suffixes:
        file_of(store, suffix).unlink()
    assert opened().get(0) is None
    store.put(1, picture(1))
    assert same(store.get(1), picture(1))


def change(index, **fields):
    records = np.frombuffer(index.read_bytes(), dtype=RECORD).copy()
    for name, value in fields.items():
        records[name][0] = value
    index.write_bytes(records.tobytes())


@pytest.mark.parametrize(
    "fields",
    [
        {"position": -1},
        {"position": -IMAGES},
        {"position": IMAGES},
        {"position": 2**63 - 1},
        {"position": -(2**63)},
        {"offset": -1},
        {"offset": 61},
        {"offset": 2**63 - 1},
        {"offset": 2**63 - 60},
        {"offset": -(2**63)},
        {"height": 2**32 - 1},
        {"height": 2**32 - 1, "width": 2**32 - 1},
        {"height": 2**31, "width": 2**32 // 3 * 2},
        {"height": 0},
        {"height": 0, "crc": 0},
        {"height": 0, "width": 0, "crc": 0},
        {"width": 0, "crc": 0, "offset": 0},
        {"height": 5},
    ],
)
def test_a_record_that_cannot_be_true_is_no_image(opened, fields):
    """It also hides no true one: here an older file holds the same image."""
    writer, other = opened(), opened()
    writer.put(0, picture(0))
    index = file_of(writer, "idx")
    change(index, **fields)
    store = opened()
    assert [store.get(position) for position in range(IMAGES)] == [None] * IMAGES
    other.put(0, picture(0))
    (older,) = {*store.folder.glob("*.idx")} - {index}
    os.utime(older, (1, 1))
    assert same(opened().get(0), picture(0))


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=4), st.binary(max_size=40))
def test_no_index_makes_a_store_fail_or_lie(tmp_path_factory, records, rest):
    folder = tmp_path_factory.mktemp("any") / "key"
    folder.mkdir()
    (folder / "a.idx").write_bytes(b"".join(records) + rest)
    (folder / "a.bin").write_bytes(bytes(100))
    store = Cache(folder.parent, 10**9).store("key", IMAGES, {})
    for position in range(IMAGES):
        found = store.get(position)
        assert found is None or (found.size and not found.any())
    store.put(0, picture(0))
    assert same(store.get(0), picture(0))


def test_a_tail_of_zeros_is_no_image(opened):
    """What a crash of the system leaves of a file that was being written."""
    writer = opened()
    writer.put(3, picture(3))
    for suffix in ("idx", "bin"):
        with file_of(writer, suffix).open("ab") as file:
            file.write(bytes(64))
    store = opened()
    assert same(store.get(3), picture(3))
    assert store.get(0) is None


def test_a_limit_of_0_keeps_nothing_and_makes_no_folder(opened, tmp_path, said):
    assert opened(limit=0) is None
    assert not (tmp_path / "cache").exists()
    assert said == []


def held(store):
    return sum(file.stat().st_size for file in store.folder.glob("*.bin"))


@pytest.mark.parametrize("room", [1, 59, 60, 61, 150, 180])
def test_nothing_is_kept_beyond_the_limit_which_is_told_once(opened, said, room):
    store = opened(limit=room)
    for position in range(10):
        store.put(position, picture(position))
    assert held(store) == room // 60 * 60
    kept = [same(store.get(position), picture(position)) for position in range(10)]
    assert kept == [position < room // 60 for position in range(10)]
    (told,) = said
    assert "has reached its limit of" in told
    assert "--cache-gb" in told


def test_what_earlier_processes_kept_counts_towards_the_limit(opened, tmp_path, said):
    opened().put(0, picture(0))
    cache = Cache(tmp_path / "cache", 150, said.append)
    for key in ("key", "other"):  # of all stores together
        store = cache.store(key, IMAGES, {})
        for position in range(1, 4):
            store.put(position, picture(position))
    assert sum(file.stat().st_size for file in cache.root.rglob("*.bin")) == 120
    assert same(opened().get(1), picture(1))
    assert len(said) == 1


def test_many_threads_keep_the_limit_and_tell_it_once(opened, said):
    store = opened(limit=600)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda position: store.put(position, picture(position)), range(IMAGES)))
    assert held(store) == 600
    assert len(said) == 1


def free(monkeypatch, *amounts):
    asked = []

    def usage(path):
        asked.append(path)
        return SimpleNamespace(free=amounts[min(len(asked), len(amounts)) - 1])

    monkeypatch.setattr(pixels.shutil, "disk_usage", usage)
    return asked


def test_a_gigabyte_of_the_disk_stays_free(opened, monkeypatch, said):
    free(monkeypatch, RESERVE + LOOK_EVERY - 1)
    store = opened()
    for position in range(3):
        store.put(position, picture(position))
    assert held(store) == 0
    (told,) = said
    assert "less than a gigabyte of the disk free" in told


def test_the_disk_is_looked_at_again_as_it_fills(opened, monkeypatch, said):
    monkeypatch.setattr(pixels, "LOOK_EVERY", 120)
    looks = free(monkeypatch, RESERVE + 120, RESERVE + 120, RESERVE + 119)
    store = opened()
    for position in range(10):
        store.put(position, picture(position))
    assert 180 <= held(store) <= 300
    assert len(looks) == 3
    assert len(said) == 1


@pytest.fixture
def named(monkeypatch):
    """The name that the next store's files will have."""
    name = uuid.UUID(int=7)
    monkeypatch.setattr(pixels.uuid, "uuid4", lambda: name)
    return name.hex


@pytest.mark.parametrize("suffix", ["bin", "idx"])
def test_a_full_disk_stops_the_keeping_with_one_message(opened, named, said, suffix):
    store = opened()
    full = store.folder / f"{named}.{suffix}"
    full.symlink_to("/dev/full")
    for position in range(3):
        store.put(position, picture(position))
        assert store.get(position) is None
    (told,) = said
    assert "cannot be written (No space left on device)" in told
    assert "results are the same" in told
    full.unlink()  # what is read from it has no end
    assert opened().get(0) is None


@contextmanager
def largest_file(size):
    """Let the system take no more of a file than this: it writes a part, as a full disk does.

    Not for longer than needed: what pytest prints may go to a file too.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_half_an_image_is_taken_back(opened, said):
    store = opened()
    store.put(0, picture(0))
    with largest_file(60 + 35):
        store.put(1, picture(1))
        store.put(2, picture(2))
    assert file_of(store, "bin").stat().st_size == 60
    assert file_of(store, "idx").stat().st_size == RECORD.itemsize
    for found in (store, opened()):
        assert same(found.get(0), picture(0))
        assert found.get(1) is None
    (told,) = said
    assert "cannot be written (the disk is full)" in told


def test_half_a_record_is_taken_back(opened, said):
    store = opened()
    with largest_file(2 * RECORD.itemsize + 20):
        for position in range(5):
            store.put(position, picture(position, 1, 1))
    assert file_of(store, "idx").stat().st_size == 2 * RECORD.itemsize
    for found in (store, opened()):
        kept = [same(found.get(position), picture(position, 1, 1)) for position in range(5)]
        assert kept == [True, True, False, False, False]
    assert len(said) == 1


def test_a_folder_that_cannot_be_made_is_told_once(opened, said, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder belongs")
    cache = Cache(tmp_path / "cache", 10**9, said.append)
    for key in ("one", "other"):
        store = cache.store(key, IMAGES, {})
        for position in range(3):
            store.put(position, picture(position))
            assert store.get(position) is None
    (told,) = said
    assert "cannot be written (" in told


def test_a_folder_that_cannot_be_written_is_still_read(opened, said, monkeypatch):
    opened().put(0, picture(0))

    def refused(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refused)
    store = opened()
    store.put(1, picture(1))
    assert same(store.get(0), picture(0))
    assert store.get(1) is None
    (told,) = said
    assert "cannot be written (Permission denied)" in told


def test_a_file_that_cannot_be_opened_is_told_once(opened, said, monkeypatch):
    store = opened()

    def refused(*arguments, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "open", refused)
    for position in range(3):
        store.put(position, picture(position))
        assert store.get(position) is None
    (told,) = said
    assert "cannot be written (Read-only file system)" in told


def test_a_cache_removed_while_in_use_is_told_once(opened, said, tmp_path):
    import shutil

    store = opened()
    shutil.rmtree(tmp_path / "cache")
    for position in range(3):
        store.put(position, picture(position))
        assert store.get(position) is None
    (told,) = said
    assert "cannot be written (No such file or directory)" in told
