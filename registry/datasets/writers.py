"""Writing a twin in a real dataset's own layout: images and list files, as its authors give them.

Each writer fills an empty folder; the real dataset's parser then reads it.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

from registry.datasets.cars196 import LAST_TRAINING_CLASS
from registry.datasets.sfm120k import LIST as SFM_LIST
from registry.datasets.sfm120k import image_path
from registry.datasets.synthetic import (
    CategoryTwin,
    Draw,
    LandmarkTwin,
    Order,
    class_picture,
    share,
)

EASY, HARD = 0.22, 0.08
"""Visible shares from which a view of the same landmark is easy, or hard; below it is junk."""
Writer = Callable[[Path, Draw], None]
"""Fills an empty folder."""


def write_sop(root: Path, twin: CategoryTwin, draw: Draw) -> None:
    """Write Ebay_train.txt, Ebay_test.txt and one folder of images per super-class."""
    orders, image_id = [], 0
    for part in ("train", "test"):
        lines = ["image_id class_id super_class_id path"]
        for index, image in _images(twin, part):
            image_id += 1
            path = f"twin_final/{index:06d}_{image}.JPG"
            orders.append(Order(root / path, twin, index, image))
            lines.append(f"{image_id} {index + 1} 1 {path}")
        _write_lines(root / f"Ebay_{part}.txt", lines)
    draw(orders)


def write_cub(root: Path, twin: CategoryTwin, draw: Draw) -> None:
    """Write the five lists and images/<class>/<name>.jpg."""
    names = ("classes", "images", "image_class_labels", "bounding_boxes", "train_test_split")
    lists: dict[str, list[str]] = {name: [] for name in names}
    orders: list[Order] = []
    for index, image in (*_images(twin, "train"), *_images(twin, "test")):
        folder = f"{index + 1:03d}.Twin_bird_{index + 1}"
        path = f"{folder}/Twin_bird_{index + 1}_{image:04d}.jpg"
        orders.append(Order(root / "images" / path, twin, index, image))
        image_id = len(orders)
        if image == 0:
            lists["classes"].append(f"{index + 1} {folder}")
        lists["images"].append(f"{image_id} {path}")
        lists["image_class_labels"].append(f"{image_id} {index + 1}")
        lists["train_test_split"].append(f"{image_id} {image % 2}")
    for image_id, drawn in enumerate(draw(orders), start=1):
        left, top, right, bottom = drawn.box
        lists["bounding_boxes"].append(f"{image_id} {left} {top} {right - left} {bottom - top}")
    for name, lines in lists.items():
        _write_lines(root / f"{name}.txt", lines)


def write_inshop(root: Path, twin: CategoryTwin, draw: Draw) -> None:
    """Write Eval/list_eval_partition.txt, padded as the original is, and Img/img/..."""
    rows, orders = [], []
    queries = twin.query_images or 0
    for part in ("train", "test"):
        for index, image in _images(twin, part):
            item = f"id_{index + 1:08d}"
            path = f"img/WOMEN/Twins/{item}/{image + 1:02d}_1_front.jpg"
            orders.append(Order(root / "Img" / path, twin, index, image))
            asked = share(queries, twin.test_classes, index - twin.train_classes)
            status = "query" if image < asked else "gallery"
            rows.append((path, item, "train" if part == "train" else status))
    lines = [str(len(rows)), "image_name item_id evaluation_status"]
    lines += [f"{path:<70} {item} {status:<11}" for path, item, status in rows]
    _write_lines(root / "Eval" / "list_eval_partition.txt", lines)
    draw(orders)


def write_cars196(root: Path, twin: CategoryTwin, draw: Draw) -> None:
    """Write cars_annos.mat and car_ims/; needs scipy. Classes from 99 on are evaluated."""
    import numpy as np
    from scipy.io import savemat

    orders: list[Order] = []
    rows = []
    for index, image in (*_images(twin, "train"), *_images(twin, "test")):
        path = f"car_ims/{len(orders) + 1:06d}.jpg"
        orders.append(Order(root / path, twin, index, image))
        beyond = index - twin.train_classes
        number = index + 1 if beyond < 0 else LAST_TRAINING_CLASS + 1 + beyond
        rows.append((path, number, image % 2))
    draw(orders)
    kinds = [("relative_im_path", object), ("class", object), ("test", object)]
    savemat(root / "cars_annos.mat", {"annotations": np.array([rows], dtype=kinds)})


def write_sfm120k(root: Path, twin: CategoryTwin, draw: Draw) -> None:
    """Write retrieval-SfM-120k.pkl and ims/: a class is a 3D model, its neighbours are pairs."""
    parts = {}
    orders: list[Order] = []
    for name, part in (("train", "train"), ("val", "test")):
        lists: dict[str, list[object]] = {"cids": [], "cluster": [], "qidxs": [], "pidxs": []}
        for index, image in _images(twin, part):
            cid = hashlib.md5(f"{twin.seed} {index} {image}".encode()).hexdigest()
            orders.append(Order(root / "ims" / image_path(cid), twin, index, image))
            if image:
                lists["qidxs"].append(len(lists["cids"]) - 1)
                lists["pidxs"].append(len(lists["cids"]))
            lists["cids"].append(cid)
            lists["cluster"].append(index + 1)
        parts[name] = lists
    draw(orders)
    root.mkdir(parents=True, exist_ok=True)
    (root / SFM_LIST).write_bytes(pickle.dumps(parts, protocol=2))


def write_revisited(root: Path, twin: LandmarkTwin, draw: Draw) -> None:
    """Write gnd_<name>.pkl and jpg/<name>.jpg.

    A view is easy, hard or junk by how much of the landmark it shows; queries show much of it,
    with the box around what is seen.
    """
    views = [
        (landmark, view)
        for landmark in range(twin.landmarks)
        for view in range(share(twin.views, twin.landmarks, landmark))
    ]
    imlist = [f"landmark{landmark:02d}_{view:06d}" for landmark, view in views]
    views += [(twin.landmarks + index, 0) for index in range(twin.distractors)]
    imlist += [f"distractor_{index:06d}" for index in range(twin.distractors)]
    orders = [
        Order(root / "jpg" / f"{name}.jpg", twin, *view)
        for name, view in zip(imlist, views, strict=True)
    ]
    grades: list[dict[str, list[int]]] = [
        {"easy": [], "hard": [], "junk": []} for _ in range(twin.landmarks)
    ]
    for position, (order, drawn) in enumerate(zip(orders, draw(orders), strict=True)):
        if order.index < twin.landmarks:
            grades[order.index][grade_of(drawn.visible)].append(position)
    qimlist, gnd = [], []
    for landmark, grade in enumerate(grades):
        asked = share(twin.queries, twin.landmarks, landmark)
        for index, view in zip(range(asked), clear_views(twin, landmark), strict=False):
            name = f"query{landmark:02d}_{index}"
            (drawn,) = draw([Order(root / "jpg" / f"{name}.jpg", twin, landmark, view)])
            qimlist.append(name)
            gnd.append({"bbx": list(drawn.box), **grade})
    truth = {"imlist": imlist, "qimlist": qimlist, "gnd": gnd}
    (root / f"gnd_{twin.name}.pkl").write_bytes(pickle.dumps(truth, protocol=2))


def write_r1m(root: Path, twin: LandmarkTwin, draw: Draw) -> None:
    """Write revisitop1m.txt and jpg/<folder>/<name>.jpg: distractors alone."""
    paths = [f"{index % 256:02x}/{index:08x}.jpg" for index in range(twin.distractors)]
    _write_lines(root / "revisitop1m.txt", paths)
    first = twin.landmarks
    draw([Order(root / "jpg" / path, twin, first + n, 0) for n, path in enumerate(paths)])


def grade_of(visible: float) -> str:
    """Judge a view by the share of its pixels that show the landmark."""
    if visible >= EASY:
        return "easy"
    return "hard" if visible >= HARD else "junk"


def clear_views(twin: LandmarkTwin, landmark: int) -> Iterator[int]:
    """Numbers of easy views, after the gallery's."""
    view = share(twin.views, twin.landmarks, landmark)
    while True:
        if grade_of(class_picture(twin, landmark, view).visible) == "easy":
            yield view
        view += 1


def write_mixture(root: Path, twins: tuple[CategoryTwin, ...], draw: Draw) -> None:
    """Write a folder per class, of several kinds: the twins' shared training set."""
    draw(
        [
            Order(root / f"{twin.kind}_{index:03d}" / f"{image:03d}.jpg", twin, index, image)
            for twin in twins
            for index, image in _images(twin, "train")
        ]
    )


def _images(twin: CategoryTwin, part: str) -> Iterator[tuple[int, int]]:
    """Yield every class of a part with the number of each of its images."""
    first = 0 if part == "train" else twin.train_classes
    classes = twin.train_classes if part == "train" else twin.test_classes
    images = twin.train_images if part == "train" else twin.test_images
    for index in range(classes):
        for image in range(images_in(twin, part, index, images, classes)):
            yield first + index, image


def images_in(twin: CategoryTwin, part: str, index: int, images: int, classes: int) -> int:
    """Images of one class; where queries and gallery are apart, each is spread on its own."""
    if part == "train" or twin.query_images is None:
        return share(images, classes, index)
    gallery = images - twin.query_images
    return share(twin.query_images, classes, index) + share(gallery, classes, index)


def _write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
