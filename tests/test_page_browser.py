"""The page in headless Chromium, without a network: it sorts, filters, tells and compares.

One page serves all tests: those that change it (fresh) load it anew, those that only look take
it as it was loaded.
"""

import itertools
import math
import shutil

import pytest

import results
from results.page import write_page
from tests.page_runs import CLASSES, TITLE, locate_in, write_images, write_runs

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
PAUSE = 30_000
"""Milliseconds after which what does not come is a failure."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    runs, photos = write_runs(folder / "runs", dims=(32, 128)), write_images(folder / "photos")
    (photos / "5" / "image & 3.jpg").unlink()
    path = folder / "page.html"
    versus = ("backbone=deit_ti dims=32", "backbone=deit_s dims=128")
    write_page(results.load(runs), path, runs=runs, locate=locate_in(photos), versus=versus)
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def heard():
    """What a page must not do: complain, ask for anything, open a dialog."""
    return []


@pytest.fixture(scope="module")
def page(browser, address, heard):
    context = browser.new_context(
        viewport={"width": 1400, "height": 900}, color_scheme="light", offline=True
    )
    opened = context.new_page()
    opened.set_default_timeout(PAUSE)
    opened.on("console", lambda message: heard.append(f"console: {message.text}"))
    opened.on("pageerror", lambda error: heard.append(f"error: {error}"))
    opened.on("dialog", lambda dialog: (heard.append("dialog"), dialog.dismiss()))
    opened.on("request", lambda request: heard.append(f"request: {request.url[:60]}"))
    opened.goto(address)
    requests = [line for line in heard if line.startswith("request: data:image/jpeg")]
    assert set(heard) - set(requests) == {f"request: {address[:60]}"} | (
        {"request: data:,"} & set(heard)
    )
    heard.clear()
    yield opened
    context.close()


@pytest.fixture(scope="module")
def changed():
    """Whether a test has changed the page since it was loaded, as the only entry."""
    return [False]


@pytest.fixture
def loaded(page, changed):
    """The page as it was loaded, for tests that only look."""
    if changed[0]:
        page.reload()
        changed[0] = False
    return page


@pytest.fixture
def fresh(loaded, changed):
    """The page as it was loaded, for tests that change it."""
    changed[0] = True
    return loaded


@pytest.fixture(autouse=True)
def quiet(page, heard):
    """Every test leaves nothing that was complained of, or asked for but by images held here."""
    yield
    address = page.url.partition("#")[0][:60]
    allowed = ("request: data:", f"request: {address}")
    bad = [line for line in heard if not line.startswith(allowed)]
    heard.clear()
    assert not bad


def column(page, place):
    """Texts of a column of the table."""
    return page.eval_on_selector_all(
        f"#grid tbody tr > :nth-child({place})", "cells => cells.map(cell => cell.innerText.trim())"
    )


def header(page, label, nth=0):
    return page.locator("#grid thead button", has_text=label).nth(nth)


def sorted_as(page, label, nth=0):
    head = page.locator("#grid thead th[aria-sort]").filter(has_text=label).nth(nth)
    return head.get_attribute("aria-sort")


def filters(page, label):
    return page.locator("#filters label").filter(has_text=label).locator("select, input")


def numbers(texts):
    return [float(text.split()[0].rstrip("*=#‡†~!+")) for text in texts]


def focused(page):
    return page.evaluate("document.activeElement.dataset.row ?? document.activeElement.textContent")


def scroll_width(page):
    return page.evaluate("document.documentElement.scrollWidth")


# The table


def test_numbers_sort_both_ways_by_click_and_by_enter(fresh):
    values = numbers(column(fresh, 6))
    assert values == sorted(values, reverse=True)
    assert sorted_as(fresh, "R@1") == "descending"
    header(fresh, "R@1").click()
    assert numbers(column(fresh, 6)) == sorted(values)
    assert sorted_as(fresh, "R@1") == "ascending"
    header(fresh, "bytes").focus()
    fresh.keyboard.press("Enter")
    assert [int(text) for text in column(fresh, 5)] == [128] * 4 + [512] * 4
    assert "bytes" in focused(fresh)
    fresh.keyboard.press("Enter")
    assert [int(text) for text in column(fresh, 5)] == [512] * 4 + [128] * 4
    assert (sorted_as(fresh, "bytes"), sorted_as(fresh, "R@1")) == ("descending", "none")


def test_axes_sort_as_numbers_or_words(fresh):
    header(fresh, "dims").click()
    assert column(fresh, 2) == ["32"] * 4 + ["128"] * 4
    header(fresh, "backbone").click()
    assert column(fresh, 1) == sorted(column(fresh, 1))


def test_words_and_values_filter_rows_everywhere(fresh):
    filters(fresh, "Filter").fill("RESNET 128")
    assert column(fresh, 1) == ["resnet50"]
    assert fresh.inner_text("#count") == "1 of 8 rows"
    assert fresh.locator(".point").count() == 1
    fresh.get_by_role("button", name="Clear filters").click()
    filters(fresh, "backbone").select_option("deit_s")
    filters(fresh, "dims").select_option("32")
    assert column(fresh, 1) == ["deit_s"]
    filters(fresh, "Filter").fill("nothing has this")
    assert fresh.inner_text("#count") == "0 of 8 rows"
    assert "No row has both numbers" in fresh.inner_text("#scatter")
    fresh.get_by_role("button", name="Clear filters").click()
    assert fresh.inner_text("#count") == "8 of 8 rows"


def test_marks_are_shown_with_what_they_mean(loaded):
    marked = loaded.locator("#grid tbody tr", has_text="*")
    assert marked.count() == 4
    sign = marked.first.locator(".sign").first
    assert sign.inner_text() == "*"
    assert "transductive" in sign.get_attribute("title")
    notes = loaded.inner_text("#notes")
    assert "* projection fitted on the evaluated images (transductive)" in notes
    assert "twin: drawn by code" in notes
    assert "signature: " in notes
    assert loaded.locator("th.over", has_text="ROxford twin").count() == 1


def test_intervals_and_other_metrics_come_when_asked_for(fresh):
    assert fresh.locator(".interval").count() == 0
    fresh.get_by_label("95 % intervals").check()
    assert fresh.locator(".interval").count() == 8 * 3
    headers = fresh.locator("#grid thead th[aria-sort]")
    before = headers.count()
    filters(fresh, "Metrics").select_option("all")
    assert headers.count() == before + 1
    filters(fresh, "Metrics").select_option(label=f"all of {TITLE}")
    assert headers.count() == 5 + 2


# The scatter


def slow_front(points):
    return [
        name
        for name, x, y in points
        if not any(
            (ox <= x and oy > y) or (ox < x and oy >= y)
            for other, ox, oy in points
            if other != name
        )
    ]


def test_the_front_is_that_of_the_definition_for_every_choice(fresh):
    content = fresh.evaluate("JSON.parse(document.getElementById('data').textContent)")
    columns = content["columns"]
    labels = [" dims=".join(cell[0] for cell in row["cells"][:2]) for row in content["rows"]]
    metrics = [at for at, one in enumerate(columns) if one["kind"] == "metric"]
    choices = list(itertools.product(range(len(content["costs"])), metrics))
    shown = fresh.evaluate(
        """choices => choices.map(values => {
        document.querySelectorAll("#tradeoff-controls select").forEach((select, at) => {
          select.value = values[at];
          select.dispatchEvent(new Event("change"));
        });
        return document.getElementById("front").textContent; })""",
        choices,
    )
    for (cost, metric), text in zip(choices, shown, strict=True):
        dataset = str(columns[metric]["dataset"])
        points = [
            (label, row["of"][dataset]["costs"][cost], row["cells"][metric][1])
            for label, row in zip(labels, content["rows"], strict=True)
        ]
        assert sorted(text.partition(": ")[2].split(" · ")) == sorted(slow_front(points))


def test_axes_can_be_logarithmic(fresh):
    def places():
        get = "all => all.map(g => Number(g.querySelector('circle').getAttribute('cx')))"
        return sorted(set(fresh.eval_on_selector_all(".point", get)))

    costs, box = fresh.locator("#tradeoff-controls select").first, fresh.get_by_label("log scale")
    costs.select_option(label="params (M)")  # 2.2, 5.5, 21.7, 23.5: wide enough
    assert box.is_checked()
    assert "(log scale)" in fresh.locator("#scatter svg.plot").text_content()
    a, b, c, _ = places()
    assert (b - a) / (c - b) == pytest.approx(math.log(5.5 / 2.2) / math.log(21.7 / 5.5), rel=1e-3)
    box.uncheck()
    a, b, c, _ = places()
    assert (b - a) / (c - b) == pytest.approx(3.3 / 16.2, rel=1e-3)
    costs.select_option(label="dims")
    assert not box.is_checked()


def test_pointing_and_focus_tell_the_row_and_escape_closes(fresh):
    tip = fresh.locator("#tip")
    point = fresh.locator(".point").nth(2)
    point.hover()
    told = tip.inner_text()
    assert all(word in told for word in ("backbone", "dims", f"{TITLE} R@1"))
    fresh.keyboard.press("Escape")
    assert tip.is_hidden()
    point.focus()
    assert tip.inner_text() == told
    assert tip.bounding_box()["width"] > 50
    fresh.keyboard.press("Escape")
    assert tip.is_hidden()


def test_arrows_move_among_points_and_enter_selects_a_row(fresh):
    points = fresh.locator(".point")
    assert fresh.locator(".point[tabindex='0']").count() == 1
    points.first.focus()
    first = focused(fresh)
    fresh.keyboard.press("ArrowRight")
    assert focused(fresh) == points.nth(1).get_attribute("data-row") != first
    fresh.keyboard.press("End")
    assert focused(fresh) == points.last.get_attribute("data-row")
    fresh.keyboard.press("Enter")
    chosen = fresh.locator("#grid tr.selected")
    assert chosen.get_attribute("data-row") == focused(fresh)
    assert chosen.get_attribute("aria-current") == "true"
    assert fresh.locator(".point.selected").get_attribute("data-row") == focused(fresh)
    label = " dims=".join(chosen.locator("th, td").all_inner_texts()[:2])
    assert f"Selected: {label}" in fresh.inner_text("#selected")
    assert label in fresh.inner_text("#gallery-status")


def test_families_differ_by_colour_and_by_shape(loaded):
    looks = loaded.eval_on_selector_all(
        "#scatter .legend .swatch:not(.wide) path",
        "all => all.map(p => [p.getAttribute('d'), getComputedStyle(p).fill])",
    )
    assert len(looks) == 3  # deit, resnet, mobilenetv2
    assert len({outline for outline, _ in looks}) == len({colour for _, colour in looks}) == 3


def test_marked_numbers_are_hollow(loaded):
    fills = loaded.eval_on_selector_all(
        ".point", "all => all.map(g => [g.ariaLabel, getComputedStyle(g.lastChild).fill])"
    )
    ground = loaded.eval_on_selector(".plot", "plot => getComputedStyle(plot).backgroundColor")
    for label, fill in fills:
        assert (fill == ground) == ("*" in label)


# Panels and curves


def test_lines_join_rows_that_differ_in_one_axis_alone(fresh):
    captions = fresh.locator("#panels figcaption").all_inner_texts()
    assert captions == [
        *(f"{TITLE} R@1 (%) along {axis}" for axis in ("backbone", "dims")),
        *(f"ROxford twin M (%) along {axis}" for axis in ("backbone", "dims")),
    ]
    along_dims = fresh.locator("#panels figure").nth(1).locator(".line")
    assert along_dims.count() == 4
    along_dims.first.focus()
    told = fresh.inner_text("#tip")
    assert "32" in told
    assert "128" in told
    filters(fresh, "dims").select_option("32")
    assert fresh.locator("#panels figcaption").all_inner_texts() == [captions[0], captions[2]]


def test_curves_are_of_the_trainings_that_are_ticked(fresh):
    captions = fresh.locator("#curves figcaption").all_inner_texts()
    assert captions == [
        *("loss", "similarity; solid: positive pairs, dashed: negative", "validation R@1 (%)")
    ]
    assert fresh.locator("#curves figure").nth(1).locator(".line").count() == 4
    assert fresh.locator("#curves .dashed").count() == 2
    fresh.locator("#training-controls").get_by_label("deit_s").uncheck()
    assert fresh.locator("#curves figure").nth(1).locator(".line").count() == 2
    fresh.locator("#curves .line").first.focus()
    assert "deit_ti" in fresh.inner_text("#tip")


# Galleries


def test_the_gallery_shows_right_and_wrong_by_sign_and_colour(loaded):
    query = loaded.locator("#gallery-queries article").first
    assert query.locator("li").count() == 10
    for card in query.locator("li figure").all():
        right = "right" in card.get_attribute("class")
        assert card.locator(".verdict").inner_text().strip().startswith("✓" if right else "✗")
        assert 0 <= float(card.locator(".similarity").inner_text()) <= 1
    kinds = {
        kind: loaded.eval_on_selector(
            f"#gallery-queries .card.{kind}",
            "card => ['Color', 'Style'].map(n => getComputedStyle(card)['borderTop' + n])",
        )
        for kind in ("right", "wrong")
    }
    assert kinds["right"][0] != kinds["wrong"][0]
    assert (kinds["right"][1], kinds["wrong"][1]) == ("solid", "dashed")


def test_the_gallery_switches_rows_datasets_and_queries(fresh):
    selects = fresh.locator("#gallery-controls select")
    selects.nth(1).select_option(label="resnet50 dims=32")
    assert f"of {TITLE} by resnet50 dims=32" in fresh.inner_text("#gallery-status")
    articles = fresh.locator("#gallery-queries article")
    assert articles.count() == 8
    fresh.locator("#gallery-queries button").click()
    assert articles.count() == 16
    selects.nth(2).select_option("wrong")
    assert fresh.locator("#gallery-queries li:first-child .card.right").count() == 0
    selects.nth(0).select_option(label="ROxford twin")
    assert "of ROxford twin by" in fresh.inner_text("#gallery-status")
    verdicts = fresh.locator("#gallery-queries .verdict").all_inner_texts()
    assert {" ".join(text.split()) for text in verdicts} == {
        "✓ right easy",
        "✓ right hard",
        "✗ wrong",
    }


def test_copies_hubs_and_missing_images_are_told(fresh):
    fresh.locator("#gallery-controls select").nth(1).select_option(label="deit_ti dims=32")
    more = fresh.locator("#gallery-queries button")
    while more.is_visible():
        more.click()
    copies = fresh.locator("#gallery-queries .badge.copy")
    assert copies.all_inner_texts() == ["same file"] * 2
    hub = fresh.locator("#gallery-queries .badge:not(.copy)").first
    assert "found by" in hub.get_attribute("title")
    missing = fresh.locator("#gallery-queries .missing").first
    assert "image not here" in missing.inner_text()
    assert "5/image & 3.jpg" in missing.inner_text()
    assert "images were not found" in fresh.inner_text("#summary")


def test_wins_and_losses_are_those_of_the_rows_asked_for(loaded):
    status = loaded.inner_text("#versus-status")
    assert "A deit_ti dims=32" in status
    assert "B deit_s dims=128" in status
    assert "A−B: " in status
    parts = loaded.locator("#versus-queries > section")
    assert parts.count() == 2
    for part, (better, worse) in zip(parts.all(), (("1", "0"), ("0", "1")), strict=True):
        for article in part.locator("article").all():
            values = article.locator(".side p .value").all_inner_texts()
            assert [value.rpartition(" ")[2] for value in values] == [better, worse]
            assert article.locator("ol").count() == 2


def test_any_two_rows_can_be_compared_and_swapped(fresh):
    def told():
        words = fresh.inner_text("#versus-status").split()
        return [int(word.rstrip(".,")) for word in words if word.rstrip(".,").isdigit()][:3]

    selects = fresh.locator("#versus-controls select")
    selects.nth(1).select_option(label="deit_s dims=128")
    selects.nth(2).select_option(label="tf_mobilenetv2 dims=32")
    won, lost, equal = told()
    assert won + lost + equal == 24
    heads = fresh.locator("#versus-queries h3").all_inner_texts()
    assert [f"{won} of {won}" in heads[0], f"{lost} of {lost}" in heads[1]] == [True, True]
    assert "bench compare tests" in fresh.inner_text("#versus-status")
    fresh.get_by_role("button", name="Swap").click()
    assert told() == [lost, won, equal]
    selects.nth(0).select_option(label="ROxford twin")
    assert "On ROxford twin, by M" in fresh.inner_text("#versus-status")


# As a page


def test_hostile_names_are_only_text(fresh):
    more = fresh.locator("#gallery-queries button")
    while more.is_visible():
        more.click()
    names = set(fresh.locator("#gallery-queries .name").all_inner_texts())
    assert set(CLASSES) <= names
    assert fresh.evaluate("window.__xss") is None
    assert fresh.locator("script").count() == 2
    assert fresh.locator("#grid b").count() == 0
    assert fresh.locator("#gallery-queries .name").first.get_attribute("dir") == "auto"
    hebrew = fresh.locator("#gallery-queries .name", has_text=CLASSES[2]).first
    assert hebrew.evaluate("name => getComputedStyle(name).direction") == "rtl"


def test_an_injected_script_or_request_is_refused_by_the_policy(fresh, heard):
    fresh.evaluate(
        """() => { const script = document.createElement("script");
        script.textContent = "window.__xss = 1"; document.body.append(script); }"""
    )
    assert fresh.evaluate("window.__xss") is None
    answer = fresh.evaluate("fetch('https://example.org').then(() => 'asked', () => 'refused')")
    assert answer == "refused"
    assert all("Content Security Policy" in line for line in heard if "console" in line)
    heard.clear()


def test_the_theme_follows_the_system_and_the_button(fresh):
    def ground():
        return fresh.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground()
    fresh.emulate_media(color_scheme="dark")
    fresh.reload()
    dark = ground()
    assert light != dark
    fresh.get_by_role("button", name="Light theme").click()
    assert ground() == light
    fresh.get_by_role("button", name="Dark theme").click()
    assert ground() == dark
    fresh.emulate_media(color_scheme="light")


@pytest.mark.parametrize("width", [360, 1600])
def test_no_width_scrolls_sideways(fresh, width):
    fresh.set_viewport_size({"width": width, "height": 800})
    fresh.get_by_label("95 % intervals").check()
    filters(fresh, "Metrics").select_option("all")
    assert scroll_width(fresh) == width
    fresh.set_viewport_size({"width": 1400, "height": 900})


def test_the_first_tab_stop_skips_to_the_table_and_shows_its_focus(fresh):
    fresh.keyboard.press("Tab")
    link = fresh.locator(":focus")
    assert link.inner_text() == "Skip to the table"
    assert link.evaluate("node => getComputedStyle(node).outlineStyle") != "none"
    assert link.bounding_box()["x"] >= 0
    fresh.keyboard.press("Enter")
    fresh.keyboard.press("Tab")
    assert fresh.locator(":focus").evaluate("node => node.type") == "search"


def test_headings_are_in_order_and_everything_has_a_name(loaded):
    levels = loaded.eval_on_selector_all("h1, h2, h3", "all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert loaded.get_attribute("html", "lang") == "en"
    assert loaded.locator("img:not([alt]), img[alt='']").count() == 0
    nameless = loaded.eval_on_selector_all(
        "select, input", "all => all.filter(field => !field.labels.length).length"
    )
    assert nameless == 0


def test_print_shows_the_whole_table_in_light_without_controls(fresh):
    fresh.emulate_media(media="print", color_scheme="dark")
    assert fresh.locator(".controls:visible").count() == 0
    assert fresh.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert fresh.eval_on_selector("#grid", "grid => getComputedStyle(grid).overflow") == "visible"
    fresh.emulate_media(media="screen", color_scheme="light")
