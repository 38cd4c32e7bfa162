"""The page without a browser: what it says is what the reports say, and data stays data."""

import base64
import hashlib
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import results
from results import page
from results.outcomes import outcomes_of
from results.page import write_page
from results.page.curves import thinned
from results.page.document import as_json
from results.page.view import family_of
from results.store import ResultsError, report_path
from results.tables import make_table
from tests import page_runs
from tests.page_runs import (
    CLASSES,
    HOSTILE,
    TITLE,
    category_table,
    image_names,
    locate_in,
    write_cell,
    write_events,
    write_images,
    write_runs,
)

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.S)


def content_of(path):
    return json.loads(DATA.search(path.read_text())[1])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("runs"), dims=(32, 128))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Two backbones of two sizes: a page of them is made in no time."""
    return write_runs(tmp_path_factory.mktemp("few"), ("deit_s", "resnet50"), (32, 128))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def frame(runs):
    return results.load(runs)


@pytest.fixture(scope="module")
def written(runs, photos, frame, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(frame, path, runs=runs, locate=locate_in(photos), title=f"t {HOSTILE} é")
    return path


@pytest.fixture(scope="module")
def content(written):
    return content_of(written)


@pytest.fixture
def make(few, tmp_path):
    """Write a page without images and return its content."""

    def call(frame=None, folder=few, locate=lambda dataset, path: None, **options):
        path = tmp_path / "page.html"
        frame = results.load(folder) if frame is None else frame
        write_page(frame, path, runs=folder, locate=locate, **options)
        return content_of(path)

    return call


# Data stays data


@settings(max_examples=50)
@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=8))
def test_json_comes_back_and_holds_nothing_that_ends_a_script(value):
    text = as_json(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")
    assert text.isascii()


def test_a_number_that_is_none_is_refused_rather_than_written():
    with pytest.raises(ValueError, match="Out of range"):
        as_json([float("nan")])


def test_hostile_names_end_no_element(written, content):
    text = written.read_text()
    assert text.count("<script") == text.count("</script>") == 2
    assert "window.__xss" not in text.replace("\\u003c", "").split("<script")[1].split(">")[0]
    assert text.count("<title>t &lt;/script&gt;") == 1
    assert "t &lt;/script&gt;&lt;script&gt;window.__xss=1;alert(1)&lt;/script&gt; &#233;" in text
    assert {image["class"] for image in content["pictures"]["images"] if "class" in image} == {
        *CLASSES
    }
    assert content["datasets"][0]["title"] == TITLE


def test_the_policy_allows_its_own_style_and_script_alone(written):
    text = written.read_text()
    policy = re.search(r'Security-Policy" content="(.*?)"', text)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    script = re.search(r"<script>(.*?)</script>", text, re.S)[1]
    for name, body in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert set(rules) <= {
        *("default-src", "script-src", "style-src", "img-src", "base-uri", "form-action")
    }


def test_the_page_points_nowhere_else(written):
    text = DATA.sub("", written.read_text())
    targets = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert targets
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert not re.search(r"@import|url\(|innerHTML|outerHTML|insertAdjacent|document\.write", text)
    addresses = set(re.findall(r"https?://[^\s\"']+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of SVG, asked for by nobody


# What it says is what the reports say


def test_cells_are_those_of_every_other_format(content, frame):
    table = make_table(frame)
    shown = [column for column in content["columns"] if column.get("headline", True)]
    titles = [
        f"{content['datasets'][column['dataset']]['title']} " if "dataset" in column else ""
        for column in shown
    ]
    headers = [title + column["label"] for title, column in zip(titles, shown, strict=True)]
    assert sorted(headers) == sorted(table.headers)
    places = [content["columns"].index(column) for column in shown]
    ours = {
        tuple(sorted(zip(headers, (row["cells"][place][0] for place in places), strict=True)))
        for row in content["rows"]
    }
    assert ours == {tuple(sorted(zip(table.headers, row, strict=True))) for row in table.body}
    assert set(table.notes) <= set(content["notes"])


def test_intervals_are_those_of_the_headline_metrics(content):
    for row in content["rows"]:
        for column, cell in zip(content["columns"], row["cells"], strict=True):
            if column.get("headline"):
                _, value, _, low, high = cell
                assert low <= value <= high
            elif column["kind"] == "metric":
                assert len(cell) == 3


def test_rows_know_their_reports_and_costs(content, frame):
    by_key = frame.set_index("key")
    for row in content["rows"]:
        shown = dict(zip((one["label"] for one in content["columns"]), row["cells"], strict=True))
        for dataset, cell in row["of"].items():
            (key,) = cell["keys"]
            report = by_key.loc[key]
            assert report["dataset_title"] == content["datasets"][int(dataset)]["title"]
            assert report["backbone"] == shown["backbone"][0]
            costs = dict(zip(content["costs"], cell["costs"], strict=True))
            assert costs["dims"] == report["dims"]
            assert costs["params (M)"] == pytest.approx(report["parameters"] / 1e6, rel=1e-5)


def test_measured_times_are_costs(make, few):
    found = make(results.load(few).assign(latency_ms=3.5))
    assert found["costs"][-1] == "latency ms"
    assert all(cell["costs"][-1] == 3.5 for row in found["rows"] for cell in row["of"].values())


@pytest.mark.parametrize(
    ("backbone", "family"),
    [
        *(("deit_s", "deit"), ("resnet50", "resnet"), ("dinov2_s14", "dinov2")),
        *(("tf_mobilenetv2", "mobilenetv2"), ("tiny_vit", "vit"), ("vit_s", "vit")),
        *(("timm:vit_base_patch16_siglip_224", "vit"), ("convnext_t", "convnext"), ("", "")),
    ],
)
def test_families_are_names_without_sizes(backbone, family):
    assert family_of(backbone) == family


def test_seeds_are_one_row_with_the_first_seeds_neighbours(make, tmp_path):
    for seed in (1, 0):
        job = {"backbone": "deit_s", "seed": seed}
        write_cell(tmp_path / "r", f"s{seed}", category_table(seed, 0.3), job=job)
    found = make(folder=tmp_path / "r")
    (row,) = found["rows"]
    assert row["of"]["0"]["keys"] == ["s0", "s1"]
    assert "±" in row["cells"][-1][0]
    (shown,) = found["pictures"]["galleries"][0]["rows"]
    assert shown["seed"] == "0"
    table = category_table(0, 0.3)
    first = found["pictures"]["galleries"][0]["queries"][0]
    name = found["pictures"]["images"][first]["path"]
    nearest = [found["pictures"]["images"][n]["path"] for n, *_ in shown["items"][str(first)][1]]
    assert nearest == table.set_index("query").loc[name, "nearest"]


def test_one_report_is_a_page_without_a_comparison(make, tmp_path):
    write_cell(tmp_path / "r", "one", category_table(0, 0.3))
    found = make(folder=tmp_path / "r")
    assert found["pictures"]["galleries"][0]["pair"] is None


def test_more_rows_than_can_be_shown_are_said(make, monkeypatch):
    monkeypatch.setattr("results.page.view.MOST_ROWS", 3)
    found = make()
    assert len(found["rows"]) == 3
    assert "3 of 4 rows are shown: the best by the first metric" in found["notes"]
    first = next(n for n, one in enumerate(found["columns"]) if one["kind"] == "metric")
    shown = [row["cells"][first][1] for row in found["rows"]]
    monkeypatch.undo()
    everything = sorted((row["cells"][first][1] for row in make()["rows"]), reverse=True)
    assert shown == everything[:3]


def test_many_numbers_are_those_that_datasets_are_quoted_by(make, monkeypatch):
    monkeypatch.setattr("results.page.view.MOST_NUMBERS", 10)
    assert all(column.get("headline", True) for column in make()["columns"])


def test_nothing_finished_is_said(tmp_path, frame):
    with pytest.raises(ResultsError, match="no finished cells"):
        write_page(frame[:0], tmp_path / "p.html", runs=tmp_path, locate=lambda d, p: None)


def test_where_it_cannot_be_written_is_said(tmp_path, few):
    output = tmp_path / "nowhere" / "p.html"
    with pytest.raises(ResultsError, match="cannot write"):
        write_page(results.load(few), output, runs=few, locate=lambda d, p: None)


# Trainings


def test_curves_are_of_the_trainings_behind_the_rows(content):
    curves = content["curves"]
    assert {curve["label"] for curve in curves["trainings"]} == {"deit_ti", "deit_s"}
    assert curves["logged"] == 2
    for curve in curves["trainings"]:
        shown = {(one["plot"], one["what"]): one["points"] for one in curve["series"]}
        assert len(shown["loss", "loss"]) == 150
        assert shown["loss", "loss"][-1][0] == 449
        assert shown["similarity", "positive pairs"][0] == [2, 0.8]
        assert shown["validation R@1 (%)", ""] == [
            [step, pytest.approx(100 * step / 450, rel=1e-4)] for step in range(0, 450, 50)
        ]


def test_trainings_are_called_by_what_tells_them_apart(make, tmp_path):
    for key, seed, loss in (("a", 0, "x"), ("b", 1, "x"), ("c", 0, "y")):
        job = {"seed": seed, "loss": loss, "recipe": "photos", "weights": f"of {loss}"}
        spec = {"extraction": {"model": key}}
        write_cell(tmp_path / "r", key, category_table(0, 0.3), job=job, spec=spec)
        write_events(tmp_path / "r", key, steps=3)
    labels = [curve["label"] for curve in make(folder=tmp_path / "r")["curves"]["trainings"]]
    assert sorted(labels) == [
        "deit_s, weights of x, seed 0",
        "deit_s, weights of x, seed 1",
        "deit_s, weights of y, seed 0",
    ]


@settings(max_examples=50)
@given(st.lists(st.floats(-1e3, 1e3), max_size=1500))
def test_thinned_points_are_few_and_keep_mean_and_end(values):
    points = [(float(step), value) for step, value in enumerate(values)]
    thin = thinned(points)
    assert len(thin) <= 200
    if len(values) <= 200:
        assert [step for step, _ in thin] == [step for step, _ in points]
    if values:
        assert thin[-1][0] == len(values) - 1
        size = -(-len(values) // 200)
        sizes = [min(size, len(values) - start) for start in range(0, len(values), size)]
        mean = sum(n * value for n, (_, value) in zip(sizes, thin, strict=True)) / len(values)
        assert mean == pytest.approx(float(np.mean(values)), rel=1e-3, abs=0.05)


# Pictures


def gallery_of(content, dataset=0):
    return next(one for one in content["pictures"]["galleries"] if one["dataset"] == dataset)


def test_galleries_show_what_the_parquet_holds(content, frame):
    gallery, images = gallery_of(content), content["pictures"]["images"]
    by_key = frame.set_index("key")
    for shown in gallery["rows"]:
        (key,) = content["rows"][shown["row"]]["of"]["0"]["keys"]
        table = page_runs.pd.read_parquet(by_key.loc[key, "per_query"]).set_index("query")
        assert len(shown["items"]) == 24
        for number, (value, listed) in shown["items"].items():
            asked = table.loc[images[int(number)]["path"]]
            assert images[int(number)]["class"] == asked["class"]
            assert value == asked["r@1"]
            assert [images[one[0]]["path"] for one in listed] == asked["nearest"].tolist()
            grades = ["relevant" if one[2] == 1 else "wrong" for one in listed]
            assert grades == asked["nearest_grade"].tolist()
            assert [one[1] for one in listed] == pytest.approx(
                asked["nearest_similarity"], abs=1e-4
            )


def test_images_are_embedded_once_and_are_jpegs_of_96_pixels(content):
    images, pictures = (content["pictures"][name] for name in ("images", "pictures"))
    assert len(images) == 48  # of either dataset
    assert len(pictures) == len(set(pictures)) == 23  # two files are the same
    assert content["pictures"]["missing"] == 0
    assert {image["picture"] for image in images} == set(range(23))
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert (image.format, max(image.size)) == ("JPEG", 60)


def test_copies_of_a_query_are_marked(content):
    gallery, images = gallery_of(content), content["pictures"]["images"]
    twins = image_names()[:2]
    for shown in gallery["rows"]:
        for number, (_, listed) in shown["items"].items():
            of_a_copy = images[int(number)]["path"] in twins
            assert [one[3] for one in listed] == ["file" if of_a_copy else "", *[""] * 9]


def test_hubs_are_marked_with_how_many_queries_found_them(content, frame):
    gallery, images = gallery_of(content), content["pictures"]["images"]
    by_key, marked = frame.set_index("key"), 0
    for shown in gallery["rows"]:
        (key,) = content["rows"][shown["row"]]["of"]["0"]["keys"]
        lists = page_runs.pd.read_parquet(by_key.loc[key, "per_query"])["nearest"]
        counts = {name: sum(name in found for found in lists) for name in image_names()}
        limit = np.mean(list(counts.values())) + 2 * np.std(list(counts.values()))
        for _, listed in shown["items"].values():
            for number, *_, hub in listed:
                count = counts[images[number]["path"]]
                assert hub == (count if count > limit else 0)
                marked += hub > 0
    assert marked


def test_wins_are_counted_over_all_queries(content, frame):
    gallery = gallery_of(content)
    by_key = {key: frame[frame["key"] == key] for key in frame["key"]}
    assert len(gallery["wins"]) == 8 * 7 / 2
    for a, b, won, lost, equal in gallery["wins"]:
        one, other = (
            outcomes_of(by_key[content["rows"][place]["of"]["0"]["keys"][0]], "r@1").per_query
            for place in (a, b)
        )
        assert (won, lost, equal) == (
            (one > other).sum(),
            (one < other).sum(),
            (one == other).sum(),
        )


@pytest.mark.parametrize(("dataset", "unit"), [(0, "classes"), (1, "queries")])
def test_the_best_row_and_the_next_that_differs_are_compared(content, dataset, unit):
    gallery = gallery_of(content, dataset)
    column = next(n for n, one in enumerate(content["columns"]) if one.get("dataset") == dataset)
    values = [row["cells"][column][1] for row in content["rows"]]
    a, b = gallery["pair"]
    assert values[a] == max(values)
    differing = {
        one + other - a
        for one, other, won, lost, _ in gallery["wins"]
        if a in (one, other) and won + lost
    }
    assert values[b] == max(values[place] for place in differing)
    tested = gallery["tested"]
    assert tested["difference"] == pytest.approx(values[a] - values[b], abs=1e-3)
    assert tested["low"] <= tested["difference"] <= tested["high"]
    assert tested["unit"] == unit


def test_the_rows_asked_for_are_compared(make):
    found = make(versus=("backbone=deit_s dims=32", "backbone=resnet50 dims=32"))
    assert len(found["pictures"]["galleries"]) == 2
    for gallery in found["pictures"]["galleries"]:
        names = [[cell[0] for cell in found["rows"][n]["cells"][:2]] for n in gallery["pair"]]
        assert names == [["deit_s", "32"], ["resnet50", "32"]]


def test_a_dataset_asked_for_by_key_comes_first(make):
    found = make(versus=("0l32", "1l32"))
    assert [one["dataset"] for one in found["pictures"]["galleries"]] == [1, 0]


@pytest.mark.parametrize(
    ("versus", "said"),
    [
        (("backbone=deit_s dims=32", "backbone=deit_s dims=32"), "are one row"),
        (("backbone=none", "backbone=deit_s"), "no finished cell"),
        (("backbone=deit_s", "backbone=resnet50"), "add dims="),
    ],
)
def test_rows_that_are_no_two_are_said(make, versus, said):
    with pytest.raises(ResultsError, match=said):
        make(versus=versus)


def test_images_that_are_not_there_are_entries_without_a_picture(make):
    found = make()["pictures"]
    assert found["missing"] == len(found["images"]) > 0
    assert not any("picture" in image for image in found["images"])


def test_plain_paths_are_located_too(make, photos):
    found = make(locate=lambda dataset, path: photos / path)["pictures"]
    assert found["missing"] == 0


def test_rows_that_asked_other_queries_have_no_pictures(make, tmp_path):
    write_cell(tmp_path / "r", "a", category_table(0, 0.9), job={"dims": 32})
    write_cell(tmp_path / "r", "b", category_table(1, 0.1)[:20], job={"dims": 64})
    gallery = gallery_of(make(folder=tmp_path / "r"))
    assert (len(gallery["rows"]), gallery["rows_of"], gallery["pair"]) == (1, 2, None)


@pytest.mark.parametrize("least", [80_000, 120_000])
def test_the_page_keeps_to_its_size_whatever_there_is_to_show(
    few, photos, tmp_path, monkeypatch, make, least
):
    everything = make(locate=locate_in(photos))["pictures"]["galleries"]
    monkeypatch.setattr(page, "MOST_BYTES", least)
    monkeypatch.setattr(page, "LEAST_FOR_PICTURES", 10_000)
    path = tmp_path / "page.html"
    write_page(results.load(few), path, runs=few, locate=locate_in(photos))
    assert path.stat().st_size <= least
    found = content_of(path)["pictures"]["galleries"]
    shown, all_of_them = (
        sum(len(row["items"]) for one in galleries for row in one["rows"])
        for galleries in (found, everything)
    )
    assert shown < all_of_them
    assert all(one["rows"] for one in found) or least == 80_000


def test_a_report_edited_by_hand_is_refused(tmp_path):
    write_cell(tmp_path / "r", "a", category_table(0, 0.9))
    path = report_path(tmp_path / "r", "a")
    path.write_text(path.read_text().replace('"deit_s"', '"deit_b"'))
    with pytest.raises(ResultsError, match="was changed after it was written"):
        results.load(tmp_path / "r")
