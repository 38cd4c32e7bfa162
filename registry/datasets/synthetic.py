"""Twins: small drawn stand-ins for the real datasets, in the real datasets' own layouts.

Each writer fills an empty folder with images and list files as the authors of the real set
distribute them; the real set's parser then reads it. Deterministic: a twin is its spec and VERSION.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from registry.datasets.drawing import Kind, Look, Picture, look, picture

SIDE = 73
"""Pixels of a category image: a 64 crop's short side (64 x 256/224), so nothing is resampled."""
LANDMARK_SIZE = (96, 72)
Writer = Callable[[Path], None]
"""Fills an empty folder."""
EASY, HARD = 0.22, 0.08
"""Visible shares from which a view of the same landmark is easy, or hard; below it is junk."""


@dataclass(frozen=True, kw_only=True)
class CategoryTwin:
    """Size of a twin with classes."""

    kind: Kind
    seed: int
    train_classes: int
    test_classes: int
    images_per_class: int

    @property
    def counts(self) -> tuple[int, int]:
        """Training and evaluated images."""
        return (
            self.train_classes * self.images_per_class,
            self.test_classes * self.images_per_class,
        )


@dataclass(frozen=True, kw_only=True)
class LandmarkTwin:
    """Size of a twin with landmarks."""

    name: str
    seed: int
    landmarks: int
    queries_per_landmark: int
    views: int
    """Gallery images per landmark: easy, hard and junk as they fall."""
    distractors: int

    @property
    def counts(self) -> tuple[int, int]:
        """Training and evaluated images."""
        views = self.views + self.queries_per_landmark
        return 0, self.landmarks * views + self.distractors


def class_look(twin: CategoryTwin | LandmarkTwin, index: int) -> Look:
    """Return the look of a twin's class or landmark."""
    kind: Kind = twin.kind if isinstance(twin, CategoryTwin) else "landmark"
    return look(kind, np.random.default_rng([twin.seed, index]))


def class_picture(twin: CategoryTwin | LandmarkTwin, index: int, image: int) -> Picture:
    """Draw one image of a twin's class."""
    rng = np.random.default_rng([twin.seed, index, image])
    width, height = LANDMARK_SIZE if isinstance(twin, LandmarkTwin) else (SIDE, SIDE)
    return picture(class_look(twin, index), rng, width=width, height=height)


def save(drawn: Picture, path: Path) -> None:
    """Write a picture as JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn.pixels).save(path, format="JPEG", quality=92)


def write_sop(root: Path, twin: CategoryTwin) -> None:
    """Write Ebay_train.txt, Ebay_test.txt and one folder of images per super-class."""
    image_id = 0
    first = 0
    for name, classes in (("train", twin.train_classes), ("test", twin.test_classes)):
        lines = ["image_id class_id super_class_id path"]
        for index in range(first, first + classes):
            for image in range(twin.images_per_class):
                image_id += 1
                path = f"twin_final/{index:06d}_{image}.JPG"
                save(class_picture(twin, index, image), root / path)
                lines.append(f"{image_id} {index + 1} 1 {path}")
        first += classes
        _write_lines(root / f"Ebay_{name}.txt", lines)


def write_cub(root: Path, twin: CategoryTwin) -> None:
    """Write the five lists and images/<class>/<name>.jpg."""
    lists: dict[str, list[str]] = {
        name: []
        for name in (
            "classes",
            "images",
            "image_class_labels",
            "bounding_boxes",
            "train_test_split",
        )
    }
    image_id = 0
    for index in range(twin.train_classes + twin.test_classes):
        folder = f"{index + 1:03d}.Twin_bird_{index + 1}"
        lists["classes"].append(f"{index + 1} {folder}")
        for image in range(twin.images_per_class):
            image_id += 1
            drawn = class_picture(twin, index, image)
            path = f"{folder}/Twin_bird_{index + 1}_{image:04d}.jpg"
            save(drawn, root / "images" / path)
            left, top, right, bottom = drawn.box
            lists["images"].append(f"{image_id} {path}")
            lists["image_class_labels"].append(f"{image_id} {index + 1}")
            lists["bounding_boxes"].append(f"{image_id} {left} {top} {right - left} {bottom - top}")
            lists["train_test_split"].append(f"{image_id} {image % 2}")
    for name, lines in lists.items():
        _write_lines(root / f"{name}.txt", lines)


def write_inshop(root: Path, twin: CategoryTwin) -> None:
    """Write Eval/list_eval_partition.txt, padded as the original is, and Img/img/...

    The first two images of a test item are queries, the others gallery.
    """
    rows = []
    for index in range(twin.train_classes + twin.test_classes):
        item = f"id_{index + 1:08d}"
        for image in range(twin.images_per_class):
            path = f"img/WOMEN/Twins/{item}/{image + 1:02d}_1_front.jpg"
            save(class_picture(twin, index, image), root / "Img" / path)
            status = "query" if image < 2 else "gallery"
            rows.append((path, item, "train" if index < twin.train_classes else status))
    lines = [str(len(rows)), "image_name item_id evaluation_status"]
    lines += [f"{path:<70} {item} {status:<11}" for path, item, status in rows]
    _write_lines(root / "Eval" / "list_eval_partition.txt", lines)


def write_revisited(root: Path, twin: LandmarkTwin) -> None:
    """Write gnd_<name>.pkl and jpg/<name>.jpg.

    A view is easy, hard or junk by how much of the landmark it shows; queries show much of it,
    with the box around what is seen.
    """
    imlist: list[str] = []
    grades: list[dict[str, list[int]]] = []
    for landmark in range(twin.landmarks):
        grade: dict[str, list[int]] = {"easy": [], "hard": [], "junk": []}
        for view in range(twin.views):
            drawn = class_picture(twin, landmark, view)
            name = f"landmark{landmark:02d}_{view:06d}"
            save(drawn, root / "jpg" / f"{name}.jpg")
            grade[_grade(drawn)].append(len(imlist))
            imlist.append(name)
        grades.append(grade)
    for index in range(twin.distractors):
        name = f"distractor_{index:06d}"
        save(class_picture(twin, twin.landmarks + index, 0), root / "jpg" / f"{name}.jpg")
        imlist.append(name)
    qimlist, gnd = [], []
    for landmark, grade in enumerate(grades):
        for index, drawn in enumerate(_clear_views(twin, landmark)):
            name = f"query{landmark:02d}_{index}"
            save(drawn, root / "jpg" / f"{name}.jpg")
            qimlist.append(name)
            gnd.append({"bbx": list(drawn.box), **grade})
    truth = {"imlist": imlist, "qimlist": qimlist, "gnd": gnd}
    (root / f"gnd_{twin.name}.pkl").write_bytes(pickle.dumps(truth, protocol=2))


def _grade(drawn: Picture) -> str:
    if drawn.visible >= EASY:
        return "easy"
    return "hard" if drawn.visible >= HARD else "junk"


def _clear_views(twin: LandmarkTwin, landmark: int) -> Iterator[Picture]:
    """Views after the gallery's, until enough of them are easy."""
    view, found = twin.views, 0
    while found < twin.queries_per_landmark:
        drawn = class_picture(twin, landmark, view)
        if _grade(drawn) == "easy":
            found += 1
            yield drawn
        view += 1


def write_mixture(root: Path, twins: tuple[CategoryTwin, ...]) -> None:
    """Write a folder per class, of several kinds: the twins' shared training set."""
    for twin in twins:
        for index in range(twin.train_classes):
            for image in range(twin.images_per_class):
                path = root / f"{twin.kind}_{index:03d}" / f"{image:03d}.jpg"
                save(class_picture(twin, index, image), path)


def _write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
