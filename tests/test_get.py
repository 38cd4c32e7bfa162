"""bench.download.command: a dataset is brought whole, or what a person must do is said."""

import hashlib
import io
import json
import tarfile
from contextlib import contextmanager

import pytest

from bench.download import command
from bench.download.command import get
from bench.download.fetch import Patience
from registry.datasets.layouts import LAYOUTS
from registry.datasets.real import REAL
from registry.datasets.remote import RemoteFile
from registry.datasets.sources import SOURCES, Part, Source, images_flat, inside, under
from registry.datasets.synthetic import draw_here
from registry.datasets.twin_folder import sized, write_twin
from registry.errors import WorkError
from tests.hostile_server import answering, honest, serving

IMPATIENT = Patience(attempts=2, timeout=5, pause=lambda failures: None)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@contextmanager
def bar(name):
    yield lambda done, total: None


def archive(files):
    """A .tgz of name -> bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def part(name, content, **more):
    remote = RemoteFile(name=name, urls=(), sha256=hashlib.sha256(content).hexdigest())
    return Part(file=remote, most_bytes=10**8, most_files=1000, **more)


IMAGES = archive({"top/a.jpg": b"a", "top/sub/b.jpg": b"bb", "other/c.jpg": b"c"})
LIST = b"the list"
SOURCE = Source(
    name="thing",
    folder="Thing",
    version="the first",
    parts=(
        part("images.tgz", IMAGES, place=inside("top")),
        part("list.txt", LIST, at="Eval/list.txt"),
    ),
)


def fetched(tmp_path, server, source=SOURCE):
    mirror = server.url.rpartition("/")[0]
    return get(source, tmp_path, mirror=mirror, bar=bar, patience=IMPATIENT)


def files(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_archives_are_unpacked_and_lists_put_in_their_place(tmp_path):
    with serving(honest(IMAGES), honest(LIST)) as server:
        root = fetched(tmp_path, server)
    found = files(root)
    provenance = json.loads(found.pop("fetched.json"))
    assert found == {"a.jpg": b"a", "sub/b.jpg": b"bb", "Eval/list.txt": LIST}
    assert provenance["version"] == "the first"
    assert provenance["sha256"]["list.txt"] == hashlib.sha256(LIST).hexdigest()
    assert sorted(
        p.name for p in (tmp_path / "downloads" / "thing").iterdir() if p.name[0] != "."
    ) == [
        "images.tgz",
        "list.txt",
    ]


def test_nothing_appears_while_a_file_is_missing_and_what_came_is_kept(tmp_path):
    with serving(honest(IMAGES), answering(404)) as server, pytest.raises(WorkError, match="404"):
        fetched(tmp_path, server)
    assert not (tmp_path / "Thing").exists()
    with serving(honest(LIST)) as server:
        fetched(tmp_path, server)
        assert len(server.requests) == 1
    assert (tmp_path / "Thing" / "a.jpg").is_file()


def test_an_archive_that_was_changed_is_refused(tmp_path):
    with serving(honest(IMAGES[:-1] + b"x")) as server, pytest.raises(WorkError, match="sha256"):
        fetched(tmp_path, server)
    assert not (tmp_path / "Thing").exists()


def test_a_hostile_archive_leaves_nothing(tmp_path):
    bad = archive({"top/a.jpg": b"a", "top/../../../evil": b"x"})
    source = Source(name="bad", folder="Bad", parts=(part("bad.tgz", bad, place=lambda p: p),))
    data = tmp_path / "data"
    with serving(honest(bad)) as server, pytest.raises(WorkError, match="evil"):
        fetched(data, server, source)
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    assert sorted(files(data)) == [
        "downloads/bad/.bad.tgz.lock",
        "downloads/bad/.dataset.lock",
        "downloads/bad/bad.tgz",
    ]


def test_stopping_while_files_are_put_together_loses_nothing(tmp_path, monkeypatch):
    real_link, calls = command._link, []

    def stopping(file, target):
        calls.append(file)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real_link(file, target)

    with serving(honest(IMAGES), honest(LIST)) as server:
        monkeypatch.setattr(command, "_link", stopping)
        with pytest.raises(KeyboardInterrupt):
            fetched(tmp_path, server)
        monkeypatch.setattr(command, "_link", real_link)
        assert not (tmp_path / "Thing").exists()
        root = fetched(tmp_path, server)
    assert {"a.jpg", "sub/b.jpg"} <= set(files(root))
    assert not list((tmp_path / "downloads" / "thing").glob("*.unpacked"))


def test_one_name_in_two_archives_is_refused(tmp_path):
    parts = tuple(part(f"{n}.tgz", IMAGES, place=inside("top")) for n in (1, 2))
    source = Source(name="twice", folder="Twice", parts=parts)
    with serving(honest(IMAGES)) as server, pytest.raises(WorkError, match="in two archives"):
        fetched(tmp_path, server, source)
    assert not (tmp_path / "Twice").exists()


def test_what_is_there_is_not_touched(tmp_path):
    (tmp_path / "Thing").mkdir()
    with pytest.raises(WorkError, match=r"is there already: bench data verify thing"):
        get(SOURCE, tmp_path, mirror=None, bar=bar)


def test_a_disk_too_small_is_told_before_the_first_byte(tmp_path, monkeypatch):
    big = Source(
        name="big",
        folder="Big",
        parts=(Part(file=RemoteFile(name="x.tgz", urls=("http://127.0.0.1:9/x",), size=10**15)),),
    )
    with pytest.raises(WorkError, match=r"GB"):
        get(big, tmp_path, mirror=None, bar=bar)


@pytest.mark.parametrize("name", ["inshop", "cars196", "sfm120k"])
def test_what_a_person_must_fetch_is_said_with_its_place(tmp_path, name):
    with pytest.raises(WorkError, match=f"{name} cannot be fetched for you") as caught:
        get(SOURCES[name], tmp_path, mirror=None, bar=bar)
    for wanted in SOURCES[name].parts:
        assert f"put {wanted.file.name} at {tmp_path}/downloads/{name}/" in str(caught.value)
    if name == "sfm120k":
        assert f"{tmp_path}/train/retrieval-SfM-120k/ims" in str(caught.value)


def test_files_that_a_person_put_there_are_unpacked(shared, tmp_path):
    downloads = tmp_path / "downloads" / "inshop"
    downloads.mkdir(parents=True)
    import zipfile

    with zipfile.ZipFile(downloads / "img.zip", "w") as file:
        file.writestr("img/WOMEN/a.jpg", b"a")
    lists = shared / "lists" / "In-shop" / "Eval" / "list_eval_partition.txt"
    (downloads / lists.name).write_bytes(lists.read_bytes())
    root = get(SOURCES["inshop"], tmp_path, mirror=None, bar=bar)
    assert (root / "Img" / "img" / "WOMEN" / "a.jpg").is_file()
    row = REAL["inshop"]
    assert row.read(row.prepare(tmp_path)).evaluated.root == root / "Img"


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_fetched_is_put_where_the_dataset_looks(name):
    row = REAL[name]
    folders = row.prepare.keywords["folders"] if hasattr(row.prepare, "keywords") else None
    if folders is not None:
        assert SOURCES[name].folder in folders


@pytest.mark.parametrize("name", ["cub", "roxford"])
def test_a_dataset_comes_whole_from_a_mirror(tmp_path, name):
    """A twin, packed as the authors pack the real one."""
    layout = LAYOUTS[name]
    twin = sized(layout.small, classes=2, images=2, side=16)
    root = tmp_path / "drawn"
    write_twin(layout, twin, root, draw_here)
    (root / "twin.json").unlink()
    content = files(root)
    source = SOURCES[name]
    truth = content.pop("gnd_roxford5k.pkl", None)
    top = "CUB_200_2011/" if name == "cub" else ""
    packed = archive(
        {(top or "") + path.removeprefix("jpg/"): data for path, data in content.items()}
    )
    bodies = [packed] + ([truth] if truth else [])
    parts = tuple(
        Part(
            file=RemoteFile(name=old.file.name, urls=()),
            place=old.place,
            at=old.at,
            most_bytes=old.most_bytes,
            most_files=old.most_files,
        )
        for old in source.parts
    )
    open_source = Source(name=name, folder=source.folder, parts=parts)
    with serving(*(honest(body) for body in bodies)) as server:
        fetched(tmp_path, server, open_source)
    row = REAL[name]
    split = row.parse(row.prepare(tmp_path))
    for images in filter(None, (split.train, split.evaluated)):
        assert all((images.root / path).is_file() for path in images.paths)


def test_places():
    assert inside("a")("a/b/c.jpg") == "b/c.jpg"
    assert inside("a")("b/c.jpg") is None
    assert inside("a")("./a/c.jpg") == "c.jpg"
    assert images_flat("paris/defense/x.jpg") == "jpg/x.jpg"
    assert images_flat("paris/._x.jpg") is None
    assert images_flat("README") is None
    assert under("jpg")("./00/x.jpg") == "jpg/00/x.jpg"


def test_every_hash_is_one():
    for source in SOURCES.values():
        for wanted in source.parts:
            lengths = {"sha256": 64, "md5": 32}
            for kind, value in wanted.file.hashes.items():
                assert len(bytes.fromhex(value)) * 2 == lengths[kind]


def test_the_true_ground_truths_have_the_hashes_that_are_asked_for(shared):
    for name in ("roxford", "rparis"):
        wanted = SOURCES[name].parts[-1].file
        content = (shared / "revisited" / SOURCES[name].folder / wanted.name).read_bytes()
        assert len(content) == wanted.size
        assert hashlib.sha256(content).hexdigest() == wanted.sha256


def test_the_command_says_what_to_do(bench, tmp_path):
    result = bench("data", "get", "inshop", "--data", tmp_path, exit_code=1)
    assert "put img.zip at" in result.output
    result = bench("data", "get", "inshp", "--data", tmp_path, exit_code=2)
    assert "did you mean 'inshop'" in result.output
