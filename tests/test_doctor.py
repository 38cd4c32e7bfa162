"""bench.doctor: a healthy dataset is OK, and every way of breaking it is told with its cure."""

import json
import pickle
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from bench.doctor import sanity, scan
from bench.doctor.examination import examine, record
from bench.doctor.inspection import inspect, perceptual_code
from bench.doctor.records import record_path, slug, verdict
from bench.doctor.sanity import (
    chance_of_average_precision,
    chance_of_recall,
    check_sanity,
)
from bench.scoring import Scored
from registry.datasets import dataset_row
from registry.datasets.layouts import LAYOUTS
from registry.datasets.synthetic import draw_here
from registry.datasets.twin_folder import sized, write_twin
from registry.errors import UsageError
from tests.conftest import write_photos


@contextmanager
def silently(name, total, unit):
    yield lambda n: None


def drawn(root, name):
    layout = LAYOUTS[name]
    write_twin(layout, sized(layout.small, classes=6, images=4, side=48), root, draw_here)
    return root


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """Twins of three datasets, to be copied and broken."""
    folder = tmp_path_factory.mktemp("originals")
    return {name: drawn(folder / name, name) for name in ("cub", "inshop", "roxford")}


@pytest.fixture
def copy(originals, tmp_path):
    return lambda name: shutil.copytree(originals[name], tmp_path / name)


def look(root, tmp_path, prefix="twin:", workers=1):
    row = dataset_row(f"{prefix}{root}")
    return examine(row, tmp_path, tmp_path / "doctor", workers=workers, step=silently)


def told(found):
    return {finding.check: finding for finding in found.findings if finding.verdict != "ok"}


@pytest.mark.parametrize("name", ["cub", "inshop", "roxford"])
def test_a_healthy_twin_is_ok(copy, tmp_path, name):
    found = look(copy(name), tmp_path)
    assert found.problems == []
    assert ": OK" in found.line
    assert {f.check for f in found.findings} >= {"collapsed model", "random descriptors"}


def first_image(root):
    return sorted(root.rglob("*.jpg"))[0]


def cut_off(root):
    path = first_image(root)
    path.write_bytes(path.read_bytes()[:300])


def swap_queries_and_gallery(root):
    path = root / "Eval" / "list_eval_partition.txt"
    text = path.read_text().replace("query", "QUERY").replace("gallery", "query")
    rows = text.replace("QUERY", "gallery").splitlines()
    path.write_text("\n".join(row for row in rows if row != rows[-1]))


def name_an_absent_image(root):
    path = root / "images.txt"
    path.write_text(path.read_text().replace("_0000.jpg", "_9999.jpg", 1))


def mix_the_classes(root):
    path = root / "image_class_labels.txt"
    lines = path.read_text().splitlines()
    lines[0] = "1 12"
    path.write_text("\n".join(lines))


def list_an_image_twice(root):
    path = root / "images.txt"
    lines = path.read_text().splitlines()
    lines[1] = lines[0].replace("1 ", "2 ", 1)
    path.write_text("\n".join(lines))


def judge_twice(root):
    path = root / "gnd_roxford5k.pkl"
    truth = pickle.loads(path.read_bytes())
    truth["gnd"][0]["junk"].append(truth["gnd"][0]["easy"][0])
    path.write_bytes(pickle.dumps(truth, protocol=2))


def shrink_the_queries(root):
    for path in sorted((root / "jpg").glob("query*")):
        with Image.open(path) as image:
            image.resize((16, 12)).save(path)


class Hostile:
    def __reduce__(self):
        return print, ("never",)


BREAKAGES = [
    ("cub", lambda r: first_image(r).unlink(), "images", "1 missing: .*0000.jpg", "unpacked"),
    ("cub", lambda r: first_image(r).write_bytes(b""), "images", "1 empty", "full disk"),
    ("cub", cut_off, "images", "1 unreadable: .*[Tt]runcated", "--skip-bad-images"),
    ("cub", lambda r: first_image(r).write_text("<html>"), "images", "1 unreadable", "unpack"),
    ("cub", lambda r: (r / "images.txt").unlink(), "folder", "there is no .*images.txt", ""),
    ("cub", name_an_absent_image, "images", r"_9999.jpg .*images.txt, line 1\)", "its lists say"),
    ("cub", mix_the_classes, "counts", "23 train images, not 24", "list files again"),
    ("cub", list_an_image_twice, "entries", "1 images are listed more than once", "again"),
    ("inshop", swap_queries_and_gallery, "counts", "queries, not 12", ""),
    ("roxford", judge_twice, "queries", "query 0 judges an image twice", "again"),
    ("roxford", shrink_the_queries, "boxes", "boxes reach beyond", "originals"),
    (
        "roxford",
        lambda r: (r / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(Hostile())),
        "folder",
        "nothing of it was run",
        "",
    ),
]


@pytest.mark.parametrize(("name", "damage", "check", "text", "advice"), BREAKAGES)
def test_what_is_broken_is_told(copy, tmp_path, name, damage, check, text, advice):
    root = copy(name)
    damage(root)
    found = look(root, tmp_path)
    problem = next(finding for finding in found.problems if finding.check == check)
    import re

    assert re.search(text, problem.text)
    assert advice in problem.advice
    assert "NOT OK" in found.line
    assert not record(found)["ok"]


def test_the_classification_split_is_told_apart(tmp_path):
    for part in ("train", "test"):
        write_photos(tmp_path / "birds" / part)
    found = look(tmp_path / "birds", tmp_path, prefix="folder:")
    assert "6 classes are both" in told(found)["classes"].text
    assert "train_test_split.txt" in told(found)["classes"].advice


def test_copies_are_counted_within_and_across_parts(copy, tmp_path):
    root = copy("cub")
    images = sorted(root.rglob("*.jpg"))
    images[1].write_bytes(images[0].read_bytes())
    images[-1].write_bytes(images[0].read_bytes())
    text = told(look(root, tmp_path))["duplicates"].text
    assert text.startswith("2 files are exact copies")
    assert "of 1 groups, 1 span several classes and 1 both training and evaluated" in text


def test_a_recompressed_training_image_is_found_among_the_evaluated(shared, tmp_path):
    birds = sorted((shared / "birds").rglob("*.jpg"))[::60]
    for part in ("train", "test"):
        for index, path in enumerate(birds[: 5 if part == "train" else 10]):
            folder = tmp_path / "birds" / part / f"{part}{index % 5}"
            folder.mkdir(parents=True, exist_ok=True)
            with Image.open(path) as image:
                if part == "test":
                    half = (image.width // 2, image.height // 2)
                    image.resize(half).save(folder / f"{index}.jpg", quality=60)
                else:
                    shutil.copyfile(path, folder / f"{index}.jpg")
    text = told(look(tmp_path / "birds", tmp_path, prefix="folder:"))["near-duplicates"].text
    assert text.startswith("5 evaluated images look the same as a training image: train0/0.jpg ~ ")


def test_different_photographs_do_not_look_the_same(shared):
    codes = []
    for path in sorted((shared / "birds").rglob("*.jpg"))[::4]:
        with Image.open(path) as image:
            codes.append(np.frombuffer(bytes.fromhex(perceptual_code(image)), np.uint8))
    bits = np.bitwise_count(np.array(codes)[:, None] ^ np.array(codes)[None]).sum(axis=2)
    assert bits[np.triu_indices(len(bits), 1)].min() > 8


def test_a_flat_picture_has_no_code():
    assert perceptual_code(Image.new("RGB", (50, 50), (200, 200, 200))) == ""


def test_grey_filling_is_noted(tmp_path):
    pixels = np.full((64, 64, 3), 128, np.uint8)
    pixels[:32] = np.random.default_rng(0).integers(0, 255, (32, 64, 3))
    Image.fromarray(pixels).save(tmp_path / "cut.png")
    assert inspect(str(tmp_path / "cut.png")).greyed
    Image.fromarray(pixels[:40]).save(tmp_path / "whole.png")
    assert inspect(str(tmp_path / "whole.png")).greyed is False or pixels[39].std() == 0


# Going on where it stopped.


def test_a_scan_goes_on_where_it_stopped(copy, tmp_path, monkeypatch):
    root = copy("cub")
    seen = []

    def stopping(file):
        seen.append(file)
        if len(seen) == 10:
            raise KeyboardInterrupt
        return inspect(file)

    monkeypatch.setattr(scan, "inspect", stopping)
    with pytest.raises(KeyboardInterrupt):
        look(root, tmp_path)
    look(root, tmp_path)
    assert len(seen) == 48 + 1  # the one that stopped it again, no other
    look(root, tmp_path)
    assert len(seen) == 49 + 48  # a complete examination is done anew: files may rot unseen


def test_a_torn_state_counts_for_nothing(copy, tmp_path):
    root = copy("cub")
    state = tmp_path / "doctor" / f"{slug(dataset_row(f'twin:{root}').name)}.scan.jsonl"
    state.parent.mkdir()
    state.write_text('{"file": "x", "size"\n{"other": 1}\n')
    assert look(root, tmp_path).problems == []
    assert not state.exists()


def test_files_of_one_name_in_both_parts_are_two_files(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("a", "b"):
            folder = tmp_path / "x" / part / f"{part}{name}"
            folder.mkdir(parents=True)
            for index in range(2):
                pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.bmp")
        (tmp_path / "x" / part / f"{part}a").rename(tmp_path / "x" / part / "a")
    found = look(tmp_path / "x", tmp_path, prefix="folder:")
    assert "duplicates" not in told(found)


def test_several_processes_find_the_same(copy, tmp_path):
    root = copy("cub")
    first_image(root).write_bytes(b"x")
    alone = look(root, tmp_path)
    shutil.rmtree(tmp_path / "doctor")
    together = look(root, tmp_path, workers=2)
    assert alone.findings == together.findings
    assert alone.content == together.content


# Chance.


def test_chance_of_recall_is_what_constant_descriptors_score(data):
    row = dataset_row("twin-inshop")
    split = row.read(row.prepare(data))
    rng = np.random.default_rng(0)
    labels = split.evaluated.labels
    hits = []
    for query in split.queries:
        drawn_ten = [rng.choice(split.gallery, 10, replace=False) for _ in range(50)]
        hits += [(labels[ten] == labels[query]).any() for ten in drawn_ten]
    assert chance_of_recall(split, 10) == pytest.approx(np.mean(hits), abs=0.01)


def test_chance_of_average_precision_is_the_mean_over_all_orders():
    from itertools import permutations

    from tests import oracles

    for relevant, images in ((1, 1), (1, 4), (2, 5), (3, 3)):
        orders = set(permutations([True] * relevant + [False] * (images - relevant)))
        mean = np.mean([oracles.revisited_ap(list(order)) for order in orders])
        assert chance_of_average_precision(relevant, images) == pytest.approx(mean)


def test_a_copy_that_broke_off_into_reserved_space_is_found(shared, tmp_path):
    good = next((shared / "birds").rglob("*.jpg")).read_bytes()
    cut = len(good) * 2 // 3
    (tmp_path / "cut.jpg").write_bytes(good[:cut] + bytes(len(good) - cut))
    (tmp_path / "good.jpg").write_bytes(good + b"junk after the end")
    assert inspect(str(tmp_path / "cut.jpg")).error == "unreadable: its end is missing"
    assert inspect(str(tmp_path / "good.jpg")).error == ""


def test_every_real_photograph_can_be_read(shared):
    for path in sorted((shared / "groceries").rglob("*.jpg")):
        assert inspect(str(path)).error == ""


def test_a_small_folder_is_examined(tmp_path):
    """With fewer images than K."""
    found = look(write_photos(tmp_path / "few", classes=3, images=2), tmp_path, prefix="folder:")
    assert {f.check for f in found.findings} >= {"collapsed model"}
    assert found.problems == []


def test_a_subset_is_examined(tmp_path, data):
    row = dataset_row("twin-cub@subset(classes=5,seed=0)")
    found = examine(row, data, tmp_path, workers=1, step=silently)
    assert found.problems == []


def test_distractors_are_examined_beside_their_landmarks(bench, tmp_path):
    result = bench("data", "verify", "roxford+r1m", "--data", tmp_path, exit_code=1)
    lines = [line for line in result.output.splitlines() if "NOT OK" in line]
    assert [line.partition(":")[0] for line in lines] == ["roxford", "r1m"]


@pytest.mark.parametrize("name", ["twin-sop", "twin-roxford"])
def test_an_evaluation_that_knows_the_answer_is_caught(data, monkeypatch, name):
    """As if rank 0 were dropped, or ties went to the relevant: every query scores."""
    row = dataset_row(name)
    split = row.read(row.prepare(data))
    monkeypatch.setattr(sanity, "score", lambda *_, **__: Scored(perfect(row, split), {}, {}))
    verdicts = {f.check: f.verdict for f in check_sanity(row, split, lambda n: None)}
    assert set(verdicts.values()) == {"problem"}


def perfect(row, split):
    import pandas as pd

    names = [f"r@{k}" for k in row.ks] or ["map_medium"]
    return pd.DataFrame({name: np.ones(len(split.queries)) for name in names})


# What is kept of it.


def test_the_record_is_what_reports_quote(copy, tmp_path):
    root = copy("cub")
    found = look(root, tmp_path)
    name = found.row.name
    content = json.loads(record_path(tmp_path / "doctor", name).read_text())
    assert content["counts"]["found"] == content["counts"]["expected"]
    folders = [tmp_path / "nowhere", tmp_path / "doctor"]
    said = verdict(folders, name, found.fingerprint)
    assert said.startswith(f"OK, content {found.content[:16]}, 20")
    assert verdict(folders, name, "another").startswith("not as it is now")
    assert verdict(folders, "sop", "x") == "no (bench data verify sop)"
    part = verdict(folders, f"{name}@subset(classes=2,seed=0)", "x")
    assert part.startswith(f"the whole {name}: OK, ")


def test_every_report_says_what_the_doctor_found(bench, data, smoke):
    import results

    frame = results.load(smoke)
    assert set(frame["protocol.dataset_verified"]) >= {"no (bench data verify twin-cub)"}
    bench("data", "verify", "twin-cub", "--data", data)
    bench("run", "dataset=twin-cub", "backbone=tiny_conv", "loss=none", "--quiet")
    mine = results.load(bench.runs)
    assert mine["protocol.dataset_verified"].iloc[0].startswith("OK, content ")
    shown = json.loads(record_path(data / "doctor", "twin-cub").read_text())
    assert mine["protocol.dataset_fingerprint"].iloc[0] == shown["fingerprint"]


def test_what_is_no_twin_is_told(tmp_path):
    with pytest.raises(UsageError, match="holds no twin"):
        dataset_row(f"twin:{tmp_path}")
