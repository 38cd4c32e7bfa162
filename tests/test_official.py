"""registry.datasets: the real datasets, found, read and held to what the field measures."""

import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest

from registry.datasets import cub, inshop, sfm120k
from registry.datasets.contents import signature
from registry.datasets.counts import counts_of
from registry.datasets.official import fingerprint
from registry.datasets.real import REAL
from registry.errors import WorkError

LISTS = {
    "sop": ("lists/Stanford_Online_Products", "Stanford_Online_Products"),
    "cub": ("lists/CUB_200_2011", "CUB_200_2011"),
    "inshop": ("lists/In-shop", "In-shop Clothes Retrieval Benchmark"),
    "roxford": ("revisited/roxford5k", "roxford5k"),
    "rparis": ("revisited/rparis6k", "rparis6k"),
}
EACH = pytest.mark.parametrize("name", LISTS)


def put(shared, name, data, folder=None):
    """Lay a dataset's true lists into a data folder."""
    there, usual = LISTS[name]
    return shutil.copytree(shared / there, data / (folder or usual))


@EACH
def test_the_true_lists_are_the_benchmark(shared, tmp_path, name):
    put(shared, name, tmp_path)
    row = REAL[name]
    split = row.read(row.prepare(tmp_path))
    assert counts_of(split) == row.counts
    assert fingerprint(split) == row.lists


@EACH
def test_every_usual_folder_is_found_and_so_is_the_dataset_itself(shared, tmp_path, name):
    row = REAL[name]
    for index, folder in enumerate([*row.prepare.keywords["folders"], "."]):
        data = tmp_path / str(index)
        root = put(shared, name, data, None if folder == "." else folder)
        found = row.prepare(root if folder == "." else data)
        assert found.resolve() == root.resolve()


def test_inshops_list_may_lie_beside_the_images(shared, tmp_path):
    root = put(shared, "inshop", tmp_path, "inshop")
    (root / "Eval" / "list_eval_partition.txt").rename(root / "list_eval_partition.txt")
    assert counts_of(REAL["inshop"].read(REAL["inshop"].prepare(tmp_path))).queries == 14_218


@pytest.mark.parametrize("name", REAL)
def test_where_nothing_is_the_message_says_what_to_do(tmp_path, name):
    with pytest.raises(WorkError, match=rf"{name}: there is no .*--data; bench data get {name}"):
        REAL[name].prepare(tmp_path)


def test_a_folder_without_its_list_is_named(tmp_path):
    (tmp_path / "SOP").mkdir()
    with pytest.raises(WorkError, match=r"sop: .*SOP has no Ebay_test.txt"):
        REAL["sop"].prepare(tmp_path)


def test_order_padding_and_line_ends_of_lists_do_not_matter(shared, tmp_path):
    root = put(shared, "inshop", tmp_path)
    path = root / "Eval" / "list_eval_partition.txt"
    first, header, *rows = path.read_text().splitlines()
    rows = [" ".join(row.split()) for row in reversed(rows)]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([first, header, *rows]).encode())
    assert fingerprint(inshop.read(root)) == REAL["inshop"].lists
    REAL["inshop"].read(root)


def test_swapped_queries_and_gallery_are_refused(shared, tmp_path):
    root = put(shared, "inshop", tmp_path)
    path = root / "Eval" / "list_eval_partition.txt"
    text = path.read_text().replace(" query", " qqqqq").replace("gallery", "query  ")
    path.write_text(text.replace("qqqqq", "gallery"))
    with pytest.raises(WorkError, match=r"12,612 queries, not 14,218; 14,218 gallery"):
        REAL["inshop"].read(root)


def test_one_image_too_few_is_refused(shared, tmp_path):
    root = put(shared, "sop", tmp_path)
    lines = (root / "Ebay_test.txt").read_text().splitlines()
    (root / "Ebay_test.txt").write_text("\n".join(lines[:-1]))
    with pytest.raises(WorkError, match=r"60,501 evaluated images, not 60,502; .*verify sop"):
        REAL["sop"].read(root)


def test_an_image_in_another_class_is_refused(shared, tmp_path):
    root = put(shared, "cub", tmp_path)
    path = root / "image_class_labels.txt"
    lines = path.read_text().splitlines()
    one, other = lines[0].split()[1], lines[100].split()[1]
    assert one != other
    lines[0], lines[100] = f"1 {other}", f"101 {one}"
    path.write_text("\n".join(lines))
    with pytest.raises(WorkError, match="right counts but other content"):
        REAL["cub"].read(root)


@pytest.mark.parametrize("changed", ["bbx", "junk"])
def test_another_box_or_judgement_is_refused(shared, tmp_path, changed):
    root = put(shared, "roxford", tmp_path)
    path = root / "gnd_roxford5k.pkl"
    truth = pickle.loads(path.read_bytes())
    if changed == "bbx":
        truth["gnd"][0]["bbx"] = [0, 0, 10, 10]
    else:
        others = set(range(4_993)) - {
            i for g in ("easy", "hard", "junk") for i in truth["gnd"][3][g]
        }
        truth["gnd"][3]["junk"][0] = min(others)
    path.write_bytes(pickle.dumps(truth, protocol=2))
    with pytest.raises(WorkError, match="right counts but other content"):
        REAL["roxford"].read(root)


def test_the_older_ground_truth_is_told_apart(tmp_path):
    old = {"imlist": ["a"], "qimlist": ["b"], "gnd": [{"bbx": [0, 0, 1, 1], "ok": [0], "junk": []}]}
    (tmp_path / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(old))
    with pytest.raises(WorkError, match="the older Oxford5k or Paris6k has not"):
        REAL["roxford"].read(tmp_path)


def test_judgements_of_images_that_are_not_there_are_refused(tmp_path):
    entry = {"bbx": [0, 0, 1, 1], "easy": [7], "hard": [], "junk": []}
    truth = {"imlist": ["a"], "qimlist": ["b"], "gnd": [entry]}
    (tmp_path / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(truth))
    with pytest.raises(WorkError, match="judges image 7 of 1"):
        REAL["roxford"].read(tmp_path)


def test_class_ids_need_not_start_at_one(tmp_path):
    (tmp_path / "images.txt").write_text("5 c/1.jpg\n6 c/2.jpg\n9 d/1.jpg\n")
    (tmp_path / "image_class_labels.txt").write_text("5 70\n6 70\n9 81\n")
    split = cub.read(tmp_path)
    assert split.train.paths == ("c/1.jpg", "c/2.jpg")
    assert split.evaluated.classes == ("81",)
    assert split.evaluated.labels.tolist() == [0]


def write_sfm(root, **changes):
    part = {
        "cids": ["00aabbcc11", "00aabbcc22"],
        "cluster": [1, 1],
        "qidxs": [0],
        "pidxs": [1],
        **changes,
    }
    root.mkdir(exist_ok=True)
    (root / sfm120k.LIST).write_bytes(pickle.dumps({"train": part, "val": part}, protocol=2))


def test_sfm_images_lie_where_cirtorch_puts_them(tmp_path):
    write_sfm(tmp_path)
    split = sfm120k.read(tmp_path)
    assert split.train.paths == ("11/cc/bb/00aabbcc11", "22/cc/bb/00aabbcc22")
    assert split.pairs.tolist() == [[0, 1]]
    assert len(split.queries) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pidxs": [2]}, "pairs image 2 of 2"),
        ({"cluster": [1]}, "different lengths"),
        ({"qidxs": None}, "no list qidxs"),
    ],
)
def test_broken_sfm_lists_are_named(tmp_path, changes, message):
    write_sfm(tmp_path, **changes)
    with pytest.raises(WorkError, match=message):
        sfm120k.read(tmp_path)


def test_a_pickle_with_arrays_is_refused_unread(tmp_path):
    write_sfm(tmp_path, cids=np.array(["a", "b"]))
    with pytest.raises(WorkError, match=r"wants to load numpy.*nothing of it was run"):
        sfm120k.read(tmp_path)


def test_python_2_strings_are_read(tmp_path):
    text = pickle.dumps({"train": {}, "val": {}}, protocol=0).replace(b"Vtrain", b"S'train'")
    (tmp_path / sfm120k.LIST).write_bytes(text)
    with pytest.raises(WorkError, match="train has no list cids"):
        sfm120k.read(tmp_path)


def test_sizes_of_files_tell_versions_apart_and_paths_do_not(photos, tmp_path):
    from registry.datasets.folder_layout import read_flat

    copy = shutil.copytree(photos, tmp_path / "copy")
    assert signature(read_flat(photos)) == signature(read_flat(copy))
    (copy / "class0" / "0.jpg").write_bytes((copy / "class0" / "0.jpg").read_bytes() + b"x")
    assert signature(read_flat(photos)) != signature(read_flat(copy))
    (copy / "class0" / "0.jpg").unlink()
    absent = replace(read_flat(photos).evaluated, root=copy)
    signature(replace(read_flat(photos), evaluated=absent))  # no error: the work will say so


def test_the_order_and_the_classes_of_lists_are_in_the_signature(shared):
    """Artifacts hold images by their position, so another order is another dataset."""
    split = cub.read(shared / "lists" / "CUB_200_2011")
    images = split.evaluated
    backwards = images.chosen(np.arange(len(images))[::-1])
    assert fingerprint(replace(split, evaluated=backwards)) == fingerprint(split)
    assert signature(replace(split, evaluated=backwards)) != signature(split)
    swapped = images.chosen(np.array([1, 0, *range(2, len(images))]))  # of one class
    assert signature(replace(split, evaluated=swapped)) != signature(split)
    other = replace(images, labels=images.labels[::-1].copy())
    assert signature(replace(split, evaluated=other)) != signature(split)


def test_a_second_copy_with_another_order_shares_no_pixels_and_no_features(tmp_path, bench):
    import results

    twin = tmp_path / "twin"
    bench("data", "twin", "cub", "--classes", 6, "--images", 4, "--out", twin)
    shuffled = shutil.copytree(twin, tmp_path / "shuffled")
    lines = (twin / "images.txt").read_text().splitlines()
    (shuffled / "images.txt").write_text("\n".join(reversed(lines)))
    words = ["backbone=tiny_conv", "loss=none", "dims=native", "--quiet"]
    for root in (twin, shuffled):
        bench("run", f"dataset=twin:{root}", *words)
    one, other = results.load(bench.runs)["r@1"]
    assert one == other


def test_train_test_split_is_not_taken_for_the_classes(shared, tmp_path):
    root = put(shared, "cub", tmp_path)
    shutil.copyfile(root / "train_test_split.txt", root / "image_class_labels.txt")
    with pytest.raises(WorkError, match="splits images for classification"):
        REAL["cub"].read(root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lists nothing"),
        ("1 a/1.jpg".encode("utf-16"), "line 1 is no UTF-8"),
        (b"1 a/1.jpg\n2 caf\xe9.jpg\n", "line 2 is no UTF-8"),
        (b"1 a/1.jpg\n1 b/1.jpg\n", "image 1 is listed twice"),
        (b"1 ../../secret.jpg\n", "lies outside"),
        (b"1 /etc/secret.jpg\n", "lies outside"),
    ],
)
def test_broken_lists_are_told(tmp_path, content, message):
    (tmp_path / "images.txt").write_bytes(content)
    (tmp_path / "image_class_labels.txt").write_text("1 1\n2 2\n")
    with pytest.raises(WorkError, match=message):
        cub.read(tmp_path)


def test_a_list_that_is_a_folder_is_told(tmp_path):
    (tmp_path / "images.txt").mkdir()
    with pytest.raises(WorkError, match=r"cannot read .*images.txt"):
        cub.read(tmp_path)


def test_a_class_that_is_no_number_is_told_with_its_line(tmp_path):
    (tmp_path / "images.txt").write_text("1 a/1.jpg\n2 b/1.jpg\n")
    (tmp_path / "image_class_labels.txt").write_text("1 1\n2 sparrow\n")
    with pytest.raises(WorkError, match="line 2: class 'sparrow' is no number"):
        cub.read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"bbx": None},
        {"bbx": ["a", "b", "c", "d"]},
        {"easy": ["a"]},
        {"easy": [2**80]},
        {"easy": 3},
    ],
)
def test_malformed_ground_truth_is_told(tmp_path, change):
    entry = {"bbx": [0, 0, 1, 1], "easy": [0], "hard": [], "junk": [], **change}
    truth = {"imlist": ["a"], "qimlist": ["b"], "gnd": [entry]}
    (tmp_path / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(truth))
    with pytest.raises(WorkError, match="fetch"):
        REAL["roxford"].read(tmp_path)


def test_the_real_one_is_found_beside_a_twin(shared, tmp_path):
    put(shared, "cub", tmp_path, "CUB_200_2011")
    (tmp_path / "CUB_200_2011" / "twin.json").write_text("{}")
    real = put(shared, "cub", tmp_path, "cub")
    assert REAL["cub"].prepare(tmp_path) == real


# Cars, in both layouts.


def write_cars(root, layout):
    savemat = pytest.importorskip("scipy.io").savemat
    root.mkdir()
    rows = [(index + 1, 95 + index % 6) for index in range(12)]
    if layout == "together":
        kinds = [("relative_im_path", object), ("class", object), ("test", object)]
        cars = np.array([[(f"car_ims/{i:06d}.jpg", c, i % 2) for i, c in rows]], dtype=kinds)
        savemat(root / "cars_annos.mat", {"annotations": cars})
        return
    kinds = [("class", object), ("fname", object)]
    for part, name in (
        (rows[:6], "devkit/cars_train_annos.mat"),
        (rows[6:], "cars_test_annos_withlabels.mat"),
    ):
        (root / name).parent.mkdir(exist_ok=True)
        cars = np.array([[(c, f"{i:05d}.jpg") for i, c in part]], dtype=kinds)
        savemat(root / name, {"annotations": cars})


@pytest.mark.parametrize("layout", ["together", "apart"])
def test_cars_are_split_by_class_in_either_layout(tmp_path, layout):
    write_cars(tmp_path / "cars196", layout)
    row = REAL["cars196"]
    split = row.parse(row.prepare(tmp_path))
    assert sorted(split.train.classes) == ["95", "96", "97", "98"]
    assert sorted(split.evaluated.classes) == ["100", "99"]
    start = "car_ims/0000" if layout == "together" else "cars_t"
    assert all(path.startswith(start) for path in split.train.paths)


def test_cars_without_labels_are_told(tmp_path):
    savemat = pytest.importorskip("scipy.io").savemat
    write_cars(tmp_path / "cars196", "apart")
    path = tmp_path / "cars196" / "cars_test_annos_withlabels.mat"
    cars = np.array([[("00001.jpg",)]], dtype=[("fname", object)])
    savemat(path, {"annotations": cars})
    with pytest.raises(WorkError, match=r"cars_test_annos\.mat has no labels"):
        REAL["cars196"].parse(tmp_path / "cars196")


def test_a_twin_is_not_taken_for_the_real_one(shared, tmp_path):
    root = put(shared, "sop", tmp_path)
    (root / "twin.json").write_text(json.dumps({}))
    with pytest.raises(WorkError, match=r"is a drawn twin.* dataset=twin:"):
        REAL["sop"].prepare(tmp_path)
