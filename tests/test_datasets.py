"""registry.datasets: the real lists by the real parsers, twins, and folders."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from registry.datasets import (
    ALL,
    GROUPS,
    cub,
    dataset_row,
    inshop,
    revisited,
    sop,
    synthetic,
    writers,
)
from registry.datasets.counts import counts_of
from registry.datasets.folder import folder_dataset
from registry.datasets.lists import read_lines
from registry.datasets.twins import MANIFEST, draw
from registry.errors import UsageError, WorkError
from tests.conftest import write_photos

TWINS = pytest.mark.parametrize("name", ["twins", *GROUPS["twins"]])


def classes(images):
    return len(np.unique(images.labels))


# The real lists, at the counts of facts that the field quotes.


def test_sop_has_its_official_counts(shared):
    split = sop.read(shared / "lists" / "Stanford_Online_Products")
    assert (len(split.train), classes(split.train)) == (59_551, 11_318)
    assert (len(split.evaluated), classes(split.evaluated)) == (60_502, 11_316)
    assert not set(split.train.paths) & set(split.evaluated.paths)


def test_cub_is_split_by_class(shared):
    split = cub.read(shared / "lists" / "CUB_200_2011")
    assert (len(split.train), classes(split.train)) == (5_864, 100)
    assert (len(split.evaluated), classes(split.evaluated)) == (5_924, 100)
    assert split.evaluated.paths[0].startswith("101.")


def test_inshop_has_its_official_counts(shared):
    split = inshop.read(shared / "lists" / "In-shop")
    assert (len(split.train), classes(split.train)) == (25_882, 3_997)
    assert (len(split.queries), len(split.gallery)) == (14_218, 12_612)
    assert classes(split.evaluated) == 3_985
    assert not any(path != path.strip() for path in split.evaluated.paths)


@pytest.mark.parametrize(
    ("name", "gallery", "easy", "hard", "junk"),
    [("roxford5k", 4_993, 3_029, 2_497, 1_356), ("rparis6k", 6_322, 6_874, 10_350, 7_153)],
)
def test_revisited_has_its_official_counts(shared, name, gallery, easy, hard, junk):
    split = revisited.read(shared / "revisited" / name, name=name)
    assert (len(split.queries), len(split.gallery)) == (70, gallery)
    truths = split.graded.values()
    assert sum(len(truth.easy) for truth in truths) == easy
    assert sum(len(truth.hard) for truth in truths) == hard
    assert sum(len(truth.junk) for truth in truths) == junk
    assert len(split.evaluated.boxes) == 70


# Files that are not as documented.


def test_lists_may_have_a_mark_crlf_and_padding(tmp_path):
    (tmp_path / "list.txt").write_bytes(
        b"\xef\xbb\xbfheader x\r\n1  two words here  \r\n\r\n2 b\r\n"
    )
    rows = read_lines(tmp_path / "list.txt", fields=2, header=1)
    assert rows == [(("1", "two words here"), 2), (("2", "b"), 4)]


def test_a_short_line_is_named(tmp_path):
    (tmp_path / "list.txt").write_text("1 a\n2\n")
    with pytest.raises(WorkError, match=r"list.txt, line 2: 1 fields, expected 2"):
        read_lines(tmp_path / "list.txt", fields=2)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(WorkError, match=r"there is no .*Ebay_train.txt"):
        sop.read(tmp_path)


def test_an_image_without_a_class_is_named(tmp_path):
    (tmp_path / "images.txt").write_text("1 a/1.jpg\n2 b/2.jpg\n")
    (tmp_path / "image_class_labels.txt").write_text("1 1\n")
    with pytest.raises(WorkError, match="no class for image 2"):
        cub.read(tmp_path)


def test_an_unknown_status_is_named(tmp_path):
    (tmp_path / "Eval").mkdir()
    (tmp_path / inshop.PARTITIONS[0]).write_text("1\nheader\nimg/a.jpg id_1 querry\n")
    with pytest.raises(WorkError, match=r"line 3: .*status 'querry'"):
        inshop.read(tmp_path)


class Hostile:
    def __reduce__(self):
        return print, ("never",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Hostile()), "wants to load"),
        (b"not a pickle", "is not a list file of plain lists"),
        (pickle.dumps({"imlist": []}), "has no gnd and no qimlist: fetch"),
    ],
)
def test_a_hostile_or_broken_ground_truth_is_refused(tmp_path, content, message, capsys):
    (tmp_path / "gnd_x.pkl").write_bytes(content)
    with pytest.raises(WorkError, match=message):
        revisited.read(tmp_path, name="x")
    assert capsys.readouterr().out == ""


# Twins.


@TWINS
def test_a_twin_has_the_counts_of_its_row_and_all_its_images(name, data):
    row = ALL[name]
    split = row.read(row.prepare(data))
    assert not list(row.counts.differences(counts_of(split)))
    for images in filter(None, [split.train, split.evaluated]):
        assert all((images.root / path).is_file() for path in images.paths)


@pytest.mark.parametrize("name", ["twin-sop", "twin-cub", "twin-inshop"])
def test_a_twins_halves_share_no_class_and_no_image(name, data):
    row = ALL[name]
    split = row.read(row.prepare(data))
    pixels = [
        {(images.root / path).read_bytes() for path in images.paths}
        for images in (split.train, split.evaluated)
    ]
    assert not pixels[0] & pixels[1]


def test_landmark_twins_are_graded_by_what_was_drawn(data):
    row = dataset_row("twin-roxford")
    split = row.read(row.prepare(data))
    for truth in split.graded.values():
        assert len(truth.easy)
        assert len(truth.hard)
    boxes = split.evaluated.boxes
    for query in split.queries:
        left, top, right, bottom = boxes[int(query)]
        with Image.open(split.evaluated.root / split.evaluated.paths[query]) as image:
            assert 0 <= left < right <= image.width
            assert 0 <= top < bottom <= image.height


def test_a_twin_is_drawn_the_same_again(tmp_path):
    twin = synthetic.CategoryTwin(
        kind="bird", seed=1, train_classes=2, train_images=4, test_classes=2, test_images=4
    )
    for name in ("one", "two"):
        writers.write_cub(tmp_path / name, twin, synthetic.draw_here)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 8 + 5 + 4  # images, lists, class folders
    for file in files:
        if (tmp_path / "one" / file).is_file():
            assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_pictures_are_pinned():
    """The drawing's identity is its VERSION: raise it when these pixels change."""
    twin = synthetic.CategoryTwin(
        kind="product", seed=1, train_classes=1, train_images=1, test_classes=1, test_images=1
    )
    golden = json.loads((Path(__file__).parent / "golden" / "drawing.json").read_text())
    pixels = synthetic.class_picture(twin, 0, 0).pixels.astype(int)
    assert pixels[::24, ::24, 0].tolist() == golden["pixels"]


def test_an_altered_twin_is_refused(tmp_path):
    def write(root, draw):
        (root / "a.txt").write_text("a")

    root = draw(tmp_path, name="x", identity={"v": 1}, write=write)
    assert draw(tmp_path, name="x", identity={"v": 1}, write=write) == root
    (root / "a.txt").write_text("b")
    with pytest.raises(WorkError, match=r"was altered: 1 files differ .* first is a.txt"):
        draw(tmp_path, name="x", identity={"v": 1}, write=write)


def test_a_twin_appears_only_complete(tmp_path):
    def write(root, draw):
        (root / "a.txt").write_text("a")
        raise OSError(28, "No space left on device")

    with pytest.raises(WorkError, match="No space left on device"):
        draw(tmp_path, name="x", identity={"v": 1}, write=write)
    assert list((tmp_path / "twins").iterdir()) == []


def test_two_processes_may_draw_one_twin(tmp_path):
    def write(root, _):
        (root / "a.txt").write_text("a")
        if not (tmp_path / "twins" / "other").is_dir():
            (tmp_path / "twins" / "other").mkdir()
            draw(tmp_path, name="x", identity={"v": 1}, write=write)

    root = draw(tmp_path, name="x", identity={"v": 1}, write=write)
    assert sorted(path.name for path in root.iterdir()) == ["a.txt", MANIFEST]


# Folders.


def test_a_flat_folder_evaluates_everything(photos):
    row = folder_dataset(f"folder:{photos}")
    split = row.read(photos)
    assert split.train is None
    assert row.train_images == 0
    assert len(split.evaluated) == row.evaluated_images == 21
    assert split.evaluated.paths[0] == "class0/0.jpg"


def test_halves_share_no_class(photos):
    row = folder_dataset(f"folder:{photos}@split=classes")
    split = row.read(photos)
    names = [
        {path.split("/")[0] for path in images.paths} for images in (split.train, split.evaluated)
    ]
    assert names == [{"class0", "class1", "class2"}, {"class3", "class4", "lone"}]


def test_train_and_test_inside_are_a_split(photos, tmp_path):
    root = tmp_path / "both"
    shutil.copytree(photos, root / "train")
    write_photos(root / "test", classes=2)
    row = folder_dataset(f"folder:{root}")
    split = row.read(root)
    assert (len(split.train), len(split.evaluated)) == (21, 9)
    assert split.train.root == root / "train"


@pytest.mark.parametrize(
    ("make", "suffix", "message"),
    [
        (lambda root: None, "", "has no sub-folders"),
        (lambda root: (root / "empty").mkdir(), "", "1 class folders have no image: empty"),
        (lambda root: None, "@split=halves", "unknown split 'halves'"),
    ],
)
def test_folders_that_cannot_be_used_say_why(tmp_path, make, suffix, message):
    root = tmp_path / "photos"
    root.mkdir()
    make(root)
    with pytest.raises(UsageError, match=message):
        folder_dataset(f"folder:{root}{suffix}")


def test_one_class_cannot_be_halved(photos, tmp_path):
    shutil.copytree(photos / "class0", tmp_path / "one" / "class0")
    with pytest.raises(UsageError, match="needs at least two"):
        folder_dataset(f"folder:{tmp_path / 'one'}@split=classes")


def test_a_misspelt_folder_names_the_near_one(photos):
    with pytest.raises(UsageError, match=r"did you mean .*/photos\?"):
        folder_dataset(f"folder:{photos.parent / 'phtos'}")
