"""registry.datasets.twin_folder, layouts, writers: twins of any size, in every layout."""

import json
import re
import shutil

import pytest
from PIL import Image

from registry.datasets import dataset_row, source_row
from registry.datasets.counts import counts_of
from registry.datasets.layouts import LAYOUTS
from registry.datasets.official import fingerprint
from registry.datasets.real import REAL
from registry.datasets.synthetic import Drawn, draw_here, share
from registry.datasets.twin_folder import sized, write_twin, write_twin_of_lists
from registry.errors import WorkError

EACH = pytest.mark.parametrize("name", LAYOUTS)


def undrawn(orders):
    """As if drawn, in no time: half the landmarks' views are clear."""
    return [
        Drawn(0.5 if index % 2 else 0.1, (0.0, 0.0, 8.0, 6.0)) for index, _ in enumerate(orders)
    ]


@EACH
def test_a_small_twin_of_every_layout_is_read_by_the_real_parser(tmp_path, name):
    if name == "cars196":
        pytest.importorskip("scipy")
    layout = LAYOUTS[name]
    twin = sized(layout.small, classes=3, images=4, side=16)
    write_twin(layout, twin, tmp_path / "twin", draw_here)
    row = source_row(f"twin:{tmp_path / 'twin'}")
    split = row.read(row.prepare(tmp_path))
    if name != "sfm120k":  # whose second part validates, which is not read here
        assert not list(twin.counts.differences(counts_of(split)))
    assert row.is_twin
    assert row.title.endswith(" twin twin")  # the folder's name tells it from the drawn-in five
    for images in filter(None, (split.train, split.evaluated)):
        for path in images.paths:
            with Image.open(images.root / path) as image:
                assert max(image.size) == 16


@pytest.mark.parametrize("name", ["sop", "cub", "inshop", "roxford", "rparis", "sfm120k"])
def test_true_counts_are_the_published_ones(tmp_path, name):
    """The lists at full size; images are left out."""
    layout = LAYOUTS[name]
    layout.write(tmp_path, layout.true_counts, undrawn)
    found = counts_of(layout.read(tmp_path))
    published = REAL[name].counts
    for what in ("train_images", "train_classes", "evaluated_images", "queries", "gallery"):
        assert getattr(found, what) == getattr(published, what), what
    assert found.evaluated_classes == published.evaluated_classes


@pytest.mark.parametrize(
    ("name", "where"),
    [("cub", "lists/CUB_200_2011"), ("roxford", "revisited/roxford5k")],
)
def test_a_twin_of_true_lists_has_an_image_for_every_entry(shared, tmp_path, name, where):
    lists, layout = shared / where, LAYOUTS[name]
    orders = []

    def draw(wanted):
        orders.extend(wanted)
        return []

    write_twin_of_lists(layout, lists, tmp_path / "twin", 16, draw)
    split = layout.read(tmp_path / "twin")
    assert fingerprint(split) == REAL[name].lists
    assert len({order.path for order in orders}) == len(orders)
    hidden = "/.unfinished-"
    drawn = {str(o.path).partition(hidden)[2].partition("/")[2] for o in orders}
    for images in filter(None, (split.train, split.evaluated)):
        below = images.root.relative_to(tmp_path / "twin").as_posix()
        assert {f"{below}/{path}".removeprefix("./") for path in images.paths} <= drawn
    by_path = {order.path.name: order for order in orders}
    for query, (_, _, right, bottom) in (split.evaluated.boxes or {}).items():
        width, height = by_path[split.evaluated.paths[query]].least
        assert right <= width
        assert bottom <= height


def test_images_of_a_class_share_its_look_and_no_picture(tmp_path):
    layout = LAYOUTS["cub"]
    twin = sized(layout.small, classes=2, images=3, side=16)
    write_twin(layout, twin, tmp_path / "twin", draw_here)
    contents = [path.read_bytes() for path in (tmp_path / "twin").rglob("*.jpg")]
    assert len(set(contents)) == 12


def test_lists_that_lead_outside_are_not_drawn(tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "images.txt").write_text("1 a/1.jpg\n2 ../../../evil.jpg\n")
    (lists / "image_class_labels.txt").write_text("1 1\n2 2\n")
    with pytest.raises(WorkError, match="lies outside"):
        write_twin_of_lists(LAYOUTS["cub"], lists, tmp_path / "deep" / "twin", 16, draw_here)
    assert [path.name for path in tmp_path.iterdir()] == ["lists"]


def test_a_twin_that_was_altered_is_another_dataset(tmp_path):
    layout = LAYOUTS["cub"]
    twin = sized(layout.small, classes=2, images=2, side=16)
    write_twin(layout, twin, tmp_path / "one", draw_here)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = (dataset_row(f"twin:{tmp_path / name}") for name in ("one", "two"))
    assert one.identity == two.identity
    assert one.name != two.name
    assert not one.pinned  # so the sizes of its files join its identity


def test_shares_add_up():
    assert [share(10, 4, index) for index in range(4)] == [3, 3, 2, 2]


def test_the_command_draws_in_processes_what_one_draws_alone(bench, tmp_path):
    words = ["data", "twin", "sop", "--classes", "70", "--images", "2", "--side", "16"]
    bench(*words, "--out", tmp_path / "two", "--workers", 2)
    bench(*words, "--out", tmp_path / "one", "--workers", 1)
    paths = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(paths) == 280 + 3
    for path in paths:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
    marker = json.loads((tmp_path / "one" / "twin.json").read_text())
    assert marker["counts"]["evaluated_images"] == 140


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sop", "--classes", 4, "--true-counts"], "or --true-counts, or --lists"),
        (["spo", "--classes", 4], "did you mean 'sop'"),
    ],
)
def test_the_command_refuses_what_does_not_go_together(bench, tmp_path, words, message):
    result = bench("data", "twin", *words, "--out", tmp_path / "out", exit_code=2)
    assert message in " ".join(result.output.split())


def test_the_command_overwrites_nothing(bench, tmp_path):
    result = bench("data", "twin", "sop", "--out", tmp_path, exit_code=2)
    assert "is there already" in " ".join(result.output.split())


def test_a_twin_folder_runs_and_says_so(bench, tmp_path):
    bench("data", "twin", "cub", "--classes", 4, "--images", 3, "--out", tmp_path / "twin")
    words = ["backbone=tiny_conv", "loss=none", "dims=native"]
    result = bench("run", f"dataset=twin:{tmp_path / 'twin'}", *words)
    assert "twin: drawn by code" in result.output


def test_distractors_join_the_gallery_of_landmarks(tmp_path, bench, inline, monkeypatch):
    """dataset=roxford+r1m: its features are shared, its ranking has the distractors."""
    import results

    data = tmp_path / "data"
    for name, folder in (("roxford", "roxford5k"), ("r1m", "revisitop1m")):
        layout = LAYOUTS[name]
        twin = sized(layout.small, classes=3, images=4, side=32)
        write_twin(layout, twin, data / folder, draw_here)
        (data / folder / "twin.json").unlink()
    monkeypatch.setattr("registry.datasets.dataset.check", lambda *_, **__: None)
    words = ["backbone=tiny_conv", "weights=scratch", "resolution=32", "dims=native"]
    result = bench("run", "dataset=roxford,roxford+r1m", *words, "--data", data)
    # roxford once, distractors once
    assert len(re.findall(r"extracting .* images in .*/s\)", result.output)) == 2
    frame = results.load(bench.runs).set_index("dataset")
    more = frame.loc["roxford+r1m"]
    assert more["counts.gallery"] == frame.loc["roxford", "counts.gallery"] + len(
        list((data / "revisitop1m" / "jpg").rglob("*.jpg"))
    )
    assert more["map_medium"] < frame.loc["roxford", "map_medium"]
    assert more["protocol.dataset_fingerprint"].startswith(
        frame.loc["roxford", "protocol.dataset_fingerprint"] + "+"
    )


def test_crop_and_transform_are_axes(bench):
    import results

    words = ["dataset=twin-roxford,twin-cub", "backbone=tiny_conv,tiny_vit", "loss=none"]
    bench("run", *words, "dims=native", "crop=box,none", "transform=square,long_side,cirtorch")
    frame = results.load(bench.runs)
    landmarks = frame[frame["dataset"] == "twin-roxford"]
    assert len(landmarks) == 2 * 2 * 3
    assert landmarks["map_medium"].nunique() > 6
    assert len(frame[frame["dataset"] == "twin-cub"]) == 2 * 3  # no box: crop does not matter
    assert set(landmarks["protocol.query_crop"]) == {
        "none",
        "to bbx in native pixels, before resizing",
    }


def test_networks_of_one_shape_are_pruned(bench):
    words = ["dataset=twin-roxford", "backbone=swin_t", "transform=long_side", "loss=none"]
    result = bench("run", *words, exit_code=2)
    assert "swin_t is built for squares of one size" in " ".join(result.output.split())
