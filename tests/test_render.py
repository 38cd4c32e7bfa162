"""results.render: one table as text for a terminal, GitHub, a spreadsheet and programs."""

import io
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import results
from results.files import write_text
from results.render import as_rich, as_text, show, write_table, write_tables
from results.store import ResultsError
from results.table import Table
from results.tables import Extras, make_table
from tests.reports import cell, frame, report

HOSTILE = "a_b & c <script>alert(1)</script> 50% #1 \\foo {x} |y| *z* `q` ~~n~~ $m$ \u05d0\u05d1 鞋"
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
"""CommonMark with raw HTML, and what GitHub adds."""
ROWS = frame(
    report(job__dims=8, metrics={"r@1": 0.5}),
    report("kk", job__dims=16, metrics={"r@1": 0.25}, marks=["transductive"]),
    report("kkk", job__dims=32, metrics={"r@1": 0.1}),
)
TABLE = make_table(ROWS)
GROUPED = make_table(ROWS.assign(gmacs=[1.0, 1.0, 2.0]), extras=Extras(group="gmacs"))


def named(name, *more):
    """A table of one text column, and a note that begins with a name as that of classes does."""
    names = [name, *more]
    numbers = pd.DataFrame({"class": names, "R@1": [1.5] * len(names)})
    notes = [f"{name} R@1: A is worse in 2 classes"]
    return Table(
        ["class", "R@1"], [[one, "1.5"] for one in names], numbers, notes, [""] * len(names)
    )


class Page(HTMLParser):
    """Tables of a page: (tags, text) of each cell, row by row; and what its paragraphs say."""

    def __init__(self):
        super().__init__()
        self.rows, self.notes, self.inside = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append((set(), []))
        if tag == "p":
            self.notes.append([])
        if self.inside and self.inside[0] in ("td", "th"):
            self.rows[-1][-1][0].add(tag)
        if tag in ("td", "th") or self.inside:
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside:
            self.inside.pop()

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1][1].append(data)
        elif self.notes:
            self.notes[-1].append(data)


def page_of(table):
    """What GitHub makes of a table."""
    page = Page()
    page.feed(GITHUB.render(as_text(table, "markdown")))
    page.close()
    rows = [[(tags, " ".join("".join(text).split())) for tags, text in row] for row in page.rows]
    return rows, ["".join(one).strip() for one in page.notes]


def texts(rows):
    return [[text for _, text in row] for row in rows]


def test_github_shows_the_cells_of_the_table():
    rows, notes = page_of(TABLE)
    assert texts(rows) == [TABLE.headers, *TABLE.body]
    assert [row[-1] for row in rows[1:]] == [
        ({"strong"}, "50.0"),
        ({"ins"}, "25.0*"),
        (set(), "10.0"),
    ]
    assert notes == ["\n".join(TABLE.notes)]  # one paragraph, a line each


def test_github_shows_groups_in_rows_of_their_own():
    rows, _ = page_of(GROUPED)
    assert rows[1] == [({"em"}, "GMACs 1"), *[(set(), "")] * (len(GROUPED.headers) - 1)]
    assert rows[4] == [({"em"}, "GMACs 2"), *[(set(), "")] * (len(GROUPED.headers) - 1)]
    assert texts(rows[2:4] + rows[5:]) == GROUPED.body
    assert [row[-1][0] for row in rows[1:]] == [set(), {"strong"}, {"ins"}, set(), set()]


def test_emphasis_holds_around_marks_and_intervals(tmp_path):
    """Signs beside a bold number are not taken for the end of the bold."""
    for n, outcomes in enumerate(([1, 1, 1, 0], [1, 0, 0, 0])):
        marks = ["transductive", "test-selected", "seen classes", "not ok"]
        cell(tmp_path, "k" * (n + 1), outcomes, job__dims=n, marks=marks)
    table = make_table(results.load(tmp_path), extras=Extras(intervals="wilson"))
    rows, _ = page_of(table)
    assert [row[-1] for row in rows[1:]] == [
        ({"strong"}, "75.0‡*!~ [30.1, 95.4]"),
        ({"ins"}, "25.0‡*!~ [4.6, 69.9]"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        HOSTILE,
        "two\nlines",
        "two\r\n\r\nparagraphs",
        "a|b\\|c\\\\|d\\",
        "__init__ _x_ snake_case_name _",
        "**bold** * star",
        "[text](javascript:alert(1)) ![image](http://x/y.png)",
        "<!-- comment --> <b>&lt;",
        "&amp; &copy; &#35;",
        "`` ` ``` code",
        "~~gone~~ ~",
        "# title",
        "> quoted",
        "- item",
        "1. item",
        "12) item",
        "+ plus",
        "=====",
        "---",
        "|---|---|",
        "\u200fעברית (א) \u05d0_b",
        "鞋子 ‡ † …",
    ],
)
def test_github_shows_names_as_they_are(name):
    plain = " ".join(name.split())
    rows, notes = page_of(named(name, "last"))
    assert texts(rows) == [["class", "R@1"], [plain, "1.5"], ["last", "1.5"]]
    assert [tags for row in rows for tags, _ in row] == [set()] * 6
    assert [" ".join(note.split()) for note in notes] == [f"{plain} R@1: A is worse in 2 classes"]


SIGNS = st.text(alphabet="\\`*_|~#$<>&[]()!+-.=:\"'@ \nab1א鞋", min_size=1, max_size=12)


@settings(max_examples=60)
@given(SIGNS.map(lambda text: f"x{text}x"))
def test_github_shows_any_name_as_it_is(name):
    rows, notes = page_of(named(name))
    plain = " ".join(name.split())
    assert texts(rows[1:]) == [[plain, "1.5"]]
    assert [" ".join(note.split()) for note in notes] == [f"{plain} R@1: A is worse in 2 classes"]


def test_a_table_of_hostile_titles_goes_through_every_format():
    changes = {"job__dataset": "folder:x", "job__dataset_title": HOSTILE}
    table = make_table(frame(report(**changes), report("kk", job__dims=8, **changes)))
    rows, _ = page_of(table)
    assert texts(rows) == [table.headers, *table.body]
    assert f"{HOSTILE} R@1" in as_text(table, "csv").splitlines()[0]
    assert list(json.loads(as_text(table, "json"))["rows"][0])[-2:] == [f"{HOSTILE} R@1", "marks"]
    for form in ("latex", "rich"):
        write_tables([table], form, None)


def read_csv(table):
    return pd.read_csv(io.StringIO(as_text(table, "csv")), comment="#")


def test_csv_reads_back_unrounded():
    table = make_table(frame(report(metrics={"r@1": 1 / 3}), report("kk", job__dataset="cub")))
    read = read_csv(table)
    assert list(read.columns) == [*table.headers, "marks"]
    assert read["sop R@1"].tolist() == table.numbers["sop R@1"].tolist()
    assert read["params (M)"].tolist() == [21.665664]
    assert pd.api.types.is_integer_dtype(read["dims"])


def test_csv_of_seeds_and_intervals_has_their_columns(tmp_path):
    for seed, outcomes in enumerate(([1, 0, 0], [1, 1, 0])):
        cell(tmp_path, f"k{seed}", outcomes, job__seed=seed)
    table = make_table(results.load(tmp_path), extras=Extras(intervals="wilson"))
    read = read_csv(table).iloc[0]
    for name in ("SOP R@1", "SOP R@1 std", "SOP R@1 low", "SOP R@1 high"):
        assert read[name] == table.numbers[name].item()
    assert read["SOP R@1 low"] < read["SOP R@1"] < read["SOP R@1 high"]
    assert read["SOP R@1 std"] == pytest.approx(100 / 3 / 2**0.5)


def test_csv_has_marks_and_notes_and_nothing_for_what_is_not_there():
    odd = report("kkk", job__dims=64, protocol__ties="other", marks=["transductive"])
    other = report("kkkk", job__dataset="cub", job__dataset_title="CUB #2", job__dims=3)
    table = make_table(frame(report(), report("kk", job__dims=8), odd, other))
    read = read_csv(table)
    assert list(read.columns)[-2:] == ["CUB #2 R@1", "marks"]
    marks = read["marks"].fillna("").tolist()
    assert marks == ["", "", "SOP R@1 *#", ""]  # the sign of other protocols is no comment
    assert read["SOP R@1"].isna().tolist() == [False, False, False, True]
    assert "# * projection fitted on the evaluated images" in as_text(table, "csv")


@pytest.mark.parametrize("name", [HOSTILE, 'a "quoted", name', "two\nlines", "#", "=1+1", "א"])
def test_csv_keeps_names(name):
    assert read_csv(named(name, "last"))["class"].tolist() == [name, "last"]


def test_csv_of_several_tables_is_one_after_the_other(capsys):
    write_tables([TABLE, named("x")], "csv", None)
    first, second = capsys.readouterr().out.split("\n\n")
    assert pd.read_csv(io.StringIO(first), comment="#")["SOP R@1"].tolist() == [50, 25, 10]
    assert pd.read_csv(io.StringIO(second), comment="#")["class"].tolist() == ["x"]


def test_json_has_rows_notes_marks_and_groups():
    found = json.loads(as_text(GROUPED, "json"))
    assert set(found) == {"rows", "notes"}
    assert found["notes"] == GROUPED.notes
    assert [row["group"] for row in found["rows"]] == ["GMACs 1", "GMACs 1", "GMACs 2"]
    assert [row["marks"] for row in found["rows"]] == ["", "SOP R@1 *", ""]
    assert [row["SOP R@1"] for row in found["rows"]] == [50.0, 25.0, 10.0]
    assert "group" not in json.loads(as_text(TABLE, "json"))["rows"][0]


def test_json_is_unrounded_and_null_where_there_is_nothing():
    third = report(metrics={"r@1": 1 / 3})
    other = report("kk", job__dataset="cub", job__dataset_title="CUB", job__dims=1)
    rows = json.loads(as_text(make_table(frame(third, other)), "json"))["rows"]
    assert rows[0]["SOP R@1"] == pytest.approx(100 / 3, abs=1e-12)
    assert [rows[0]["CUB R@1"], rows[1]["SOP R@1"]] == [None, None]
    assert "NaN" not in as_text(make_table(frame(third, other)), "json")


def test_json_keeps_names():
    found = json.loads(as_text(named(HOSTILE + "\n\u202e"), "json"))
    assert found["rows"][0]["class"] == HOSTILE + "\n\u202e"
    assert "\u05d0" in as_text(named("\u05d0"), "json")


def test_json_of_several_tables_is_a_list_and_of_one_is_not(tmp_path):
    write_tables([TABLE, named(HOSTILE)], "json", tmp_path / "two.json")
    two = json.loads((tmp_path / "two.json").read_text())
    assert [len(one["rows"]) for one in two] == [3, 1]
    write_tables([TABLE], "json", tmp_path / "one.json")
    assert json.loads((tmp_path / "one.json").read_text()) == two[0]


def rich_grid(table):
    return as_rich(table).renderables[0]


def test_a_terminal_shows_the_best_bold_and_the_second_underlined():
    *_, numbers = rich_grid(TABLE).columns
    assert [(one.plain, str(one.style)) for one in numbers.cells] == [
        ("50.0", "bold"),
        ("25.0*", "underline"),
        ("10.0", ""),
    ]
    first = next(iter(rich_grid(TABLE).columns))
    assert {str(one.style) for one in first.cells} == {""}


def test_a_terminal_shows_groups_between_rules():
    first = rich_grid(GROUPED).columns[0]
    assert [one.plain for one in first.cells] == ["GMACs 1", *["deit_s"] * 2, "GMACs 2", "deit_s"]
    assert [str(one.style) for one in first.cells] == ["italic", "", "", "italic", ""]
    assert [row.end_section for row in rich_grid(GROUPED).rows] == [
        False,
        False,
        True,
        False,
        False,
    ]
    assert not any(row.end_section for row in rich_grid(TABLE).rows)


def test_numbers_are_to_the_right_and_headers_over_several_lines():
    columns = rich_grid(TABLE).columns
    assert [column.justify for column in columns] == ["left", *["right"] * 5]
    assert [column.no_wrap for column in columns] == [False, *[True] * 5]
    assert columns[2].header.plain == "params\n(M)"


@pytest.mark.parametrize(
    "name", ["[bold]x[/bold]", "[link=http://x]y", ":smile:", "\\[x]", HOSTILE]
)
def test_a_terminal_shows_names_as_they_are(name, capsys):
    """Rich reads no markup in them."""
    show(named(name))
    shown = capsys.readouterr().out
    assert f"\n {name} " in shown


def test_nothing_is_cut_off_on_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    show(named("x" * 200))
    assert "x" * 200 in capsys.readouterr().out


@pytest.mark.parametrize("form", ["rich", "markdown", "latex", "csv", "json"])
def test_every_format_goes_to_a_file_and_is_what_is_printed(tmp_path, form, capsys):
    write_table(TABLE, form, tmp_path / "table.txt")
    written = (tmp_path / "table.txt").read_text()
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["table.txt"]
    assert "50.0" in written
    write_table(TABLE, form, None)
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in printed.splitlines()] == [
        line.rstrip() for line in written.splitlines()
    ]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("before")

    def fail(*paths):
        raise OSError("no room")

    monkeypatch.setattr("results.files.os.replace", fail)
    with pytest.raises(ResultsError, match=r"cannot write .*table\.csv: no room"):
        write_text("after", path)
    assert [one.name for one in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_text() == "before"


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path):
    (tmp_path / "papers").mkdir()
    link, target = tmp_path / "table.csv", tmp_path / "papers" / "table.csv"
    target.write_text("before")
    link.symlink_to(target)
    write_text("after", link)
    assert link.is_symlink()
    assert target.read_text() == "after"
    assert [one.name for one in (tmp_path / "papers").iterdir()] == ["table.csv"]


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text("table", pipe)
    assert os.read(reader, 100) == b"table"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_full_device_is_named():
    full = Path("/dev/full")
    if not full.is_char_device():
        pytest.skip("this system has no device that is always full")
    with pytest.raises(ResultsError, match=r"cannot write /dev/full: No space left on device"):
        write_text("table", full)
    assert full.is_char_device()


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ResultsError, match=r"cannot write .*nowhere.*: No such file or directory"):
        write_table(TABLE, "csv", tmp_path / "nowhere" / "table.csv")
