"""Locating the image that a report names, where the harness reads it."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.locate import locator
from registry.datasets import dataset_row
from registry.datasets.layouts import LAYOUTS
from registry.datasets.synthetic import draw_here
from registry.datasets.twin_folder import sized, write_twin
from tests.conftest import write_photos


def small_twin(name, folder):
    layout = LAYOUTS[name]
    write_twin(layout, sized(layout.small, classes=2, images=2, side=24), folder, draw_here)
    return folder


@pytest.fixture(scope="module")
def landmarks(tmp_path_factory):
    return small_twin("roxford", tmp_path_factory.mktemp("twins") / "roxford5k")


def names(row, root):
    return row.read(root).evaluated.paths


def test_images_of_a_folder_are_where_they_lie(photos, tmp_path):
    locate = locator(tmp_path)
    dataset = f"folder:{photos}"
    assert locate(dataset, "class1/2.jpg") == (photos / "class1" / "2.jpg", None)
    assert locate(dataset, "class1/none.jpg") is None
    assert locate(f"{dataset}@split=classes", "class3/0.jpg").path == photos / "class3" / "0.jpg"
    assert locate(f"{dataset}@split=classes", "class0/0.jpg") is None  # trains


def test_images_of_a_test_folder_are_found_in_it(tmp_path):
    for part in ("train", "test"):
        write_photos(tmp_path / "p" / part)
    found = locator(tmp_path)(f"folder:{tmp_path / 'p'}", "class0/0.jpg")
    assert found.path == tmp_path / "p" / "test" / "class0" / "0.jpg"


def test_an_image_that_is_gone_is_not_found(photos, tmp_path):
    locate = locator(tmp_path)
    path = photos / "class1" / "2.jpg"
    assert locate(f"folder:{photos}", "class1/2.jpg")
    path.unlink()
    assert locate(f"folder:{photos}", "class1/2.jpg") is None


def test_nothing_outside_the_lists_is_found(photos, tmp_path):
    (photos / "secret.jpg").write_bytes(b"x")
    locate = locator(tmp_path)
    for path in ("secret.jpg", "../photos/class1/2.jpg", str(photos / "class1" / "2.jpg"), ""):
        assert locate(f"folder:{photos}", path) is None


@pytest.mark.parametrize(
    "dataset",
    [
        *("sop", "roxford+r1m", "twin-sop", "twin-cub@subset(classes=4,seed=0)", "twin:/nowhere"),
        *("folder:/nowhere", "no dataset", ""),
    ],
)
def test_a_dataset_that_is_not_there_has_no_image_and_is_not_made(dataset, tmp_path):
    assert locator(tmp_path)(dataset, "a.jpg") is None
    assert not list(tmp_path.iterdir())


def test_a_twin_that_was_drawn_is_found_and_one_of_another_drawing_is_not(tmp_path):
    (tmp_path / "twins" / "twin-cub-00000000").mkdir(parents=True)
    locate = locator(tmp_path)
    assert locate("twin-cub", "images/a.jpg") is None
    assert [path.name for path in (tmp_path / "twins").iterdir()] == ["twin-cub-00000000"]


def test_a_drawn_twin_is_found_as_the_harness_finds_it(data):
    row = dataset_row("twin-cub")
    root = row.prepare(data)
    locate = locator(data)
    images = row.read(root).evaluated
    for path in images.paths[::40]:
        assert locate("twin-cub", path).path == images.root / path
    part = dataset_row("twin-cub@subset(classes=4,seed=0)")
    name = names(part, root)[0]
    assert locate(part.name, name).path == images.root / name


def test_landmark_queries_come_with_their_box(landmarks, tmp_path):
    row = dataset_row(f"twin:{landmarks}")
    images = row.read(landmarks).evaluated
    locate = locator(tmp_path)
    first = locate(row.name, images.paths[0])
    assert first == (landmarks / "jpg" / images.paths[0], images.boxes[0])
    assert locate(row.name, images.paths[-1]).box is None


def test_distractors_are_found_beside_the_landmarks(landmarks, tmp_path):
    others = small_twin("r1m", tmp_path / "revisitop1m")
    row = dataset_row(f"twin:{landmarks}+twin:{others}")
    locate = locator(tmp_path)
    query = dataset_row(f"twin:{landmarks}").read(landmarks).evaluated.paths[0]
    distractor = names(dataset_row(f"twin:{others}"), others)[0]
    assert locate(row.name, query).path.is_relative_to(landmarks)
    assert locate(row.name, distractor).path.is_relative_to(others)


def test_locating_imports_no_torch(photos, tmp_path):
    code = (
        "import sys; from pathlib import Path; from bench.locate import locator; "
        f"assert locator(Path({str(tmp_path)!r}))('folder:{photos}', 'class1/2.jpg'); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parent.parent
    )
