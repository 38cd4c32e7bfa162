"""results.published_file: what is in the file, and what is said of one edited badly by hand."""

import csv
import tomllib
from pathlib import Path

import pytest

from results.published_file import COLUMNS, COSTS, FILE, read_rows
from results.store import ResultsError


@pytest.fixture(scope="module")
def lines():
    with FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture
def edited(lines, tmp_path):
    """Write the first rows of the file with one field changed; line 1 is the header."""

    def write(line, column, text):
        copy = [list(fields) for fields in lines[:30]]
        copy[line - 1][COLUMNS.index(column)] = text
        path = tmp_path / "published.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(copy)
        return path

    return write


def headed(folder, names):
    path = folder / "published.csv"
    path.write_text(",".join(names) + "\n")
    return path


def test_columns_stand_in_the_order_of_their_names(lines):
    assert tuple(lines[0]) == COLUMNS


def test_no_number_is_there_twice(lines):
    keys = [tuple(fields[:7]) for fields in lines[1:]]
    assert len(set(keys)) == len(keys) == len(read_rows(FILE))


def test_texts_have_no_blanks_at_their_ends_and_are_one_line(lines):
    texts = [text for fields in lines for text in fields]
    assert [text for text in texts if text != text.strip() or "\n" in text] == []


def test_metrics_are_per_cent_and_costs_no_less_than_nothing():
    rows = read_rows(FILE)
    assert all(1 < float(row["value"]) < 100 for row in rows)
    assert {row["metric"] for row in rows if not row["dataset"]} == set(COSTS)


def test_a_missing_column_is_named(tmp_path):
    path = headed(tmp_path, COLUMNS[:-1])
    with pytest.raises(ResultsError, match="line 1: the column 'note' is missing"):
        read_rows(path)


def test_a_column_that_is_there_twice_is_named(tmp_path):
    path = headed(tmp_path, [*COLUMNS, "metric"])
    with pytest.raises(ResultsError, match="line 1: the column 'metric' is there twice"):
        read_rows(path)


def test_a_misspelt_column_is_named_with_the_nearest(tmp_path):
    path = headed(tmp_path, [*COLUMNS[:-1], "notes"])
    with pytest.raises(ResultsError, match="line 1: unknown column 'notes'; did you mean 'note'"):
        read_rows(path)


@pytest.mark.parametrize("text", ["84,0", "84.0 %", "-", "nan", "inf", "-1", "100.5"])
def test_a_value_that_is_no_per_cent_is_named_by_line_and_column(edited, text):
    with pytest.raises(ResultsError, match=r"line 25, column 'value': .* is not a number of per"):
        read_rows(edited(25, "value", text))


def test_a_cost_may_be_any_number_but_no_word(edited):
    assert float(read_rows(edited(3, "value", "432.2"))[1]["value"]) == 432.2
    with pytest.raises(ResultsError, match=r"line 3, column 'value': '8.3 G' is not a number$"):
        read_rows(edited(3, "value", "8.3 G"))


@pytest.mark.parametrize("column", ["table", "row", "metric", "citation", "source"])
def test_a_number_without_its_origin_is_refused(edited, column):
    with pytest.raises(ResultsError, match=f"line 7, column '{column}': nothing is written"):
        read_rows(edited(7, column, ""))


def test_a_confidence_is_one_of_three(edited):
    with pytest.raises(ResultsError, match=r"line 9, .*'sure'.*known: read, second-hand, inferred"):
        read_rows(edited(9, "confidence", "sure"))


def test_a_comma_out_of_quotes_is_told_by_its_line(tmp_path):
    path = headed(tmp_path, COLUMNS)
    path.write_text(path.read_text() + "," * len(COLUMNS) + "\n")
    with pytest.raises(ResultsError, match="line 2: it has 33 fields, the header 32"):
        read_rows(path)


@pytest.mark.parametrize("content", [None, b"table,\xff\n", b'table,"row\n'])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "published.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"cannot read the published numbers .*published\.csv"):
        read_rows(path)


def test_the_file_is_part_of_the_package():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["results"]
    assert any(FILE.match(pattern) for pattern in patterns)
