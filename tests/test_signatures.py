"""results.signatures: what was measured otherwise is marked, named, and refused where asked."""

import shutil

import pandas as pd
import pytest

from results.render import as_text
from results.signatures import MixedProtocolsError, mark_protocols
from results.store import read_reports
from results.tables import make_table
from tests.reports import frame, report
from tests.run_folders import change_json

OPTIMISTIC = {
    "protocol__ties": "optimistic",
    "signature": "data:sop@1234|ties:optimistic",
    "fingerprint": "bbbb",
}
CUB = {"job__dataset": "cub", "job__dataset_title": "CUB"}


def note(table, start):
    (found,) = [text for text in table.notes if text.startswith(start)]
    return found


def seeds(**second):
    return frame(report("k", job__seed=1), report("kk", job__seed=2, **second))


def test_another_protocol_in_a_column_is_marked_and_named():
    odd = report("kkk", job__dims=64, **OPTIMISTIC)
    table = make_table(frame(report(), report("kk", job__dims=128), odd))
    assert [row[-1] for row in table.body] == ["52.8", "52.8", "52.8#"]
    assert table.marks == ["", "", "SOP R@1 #"]
    assert note(table, "#") == (
        "# measured under another protocol than the rest of its column: "
        "ties (expected / optimistic)"
    )


def test_most_reports_say_what_is_usual_whichever_came_first():
    rest = [report("k" * n, job__dims=n) for n in (2, 3)]
    table = make_table(frame(report("k", job__dims=1, **OPTIMISTIC), *rest))
    assert [row[-1] for row in table.body] == ["52.8#", "52.8", "52.8"]
    assert "ties (expected / optimistic)" in note(table, "#")


def test_datasets_are_not_compared_with_one_another():
    other = report("kk", **CUB, protocol__ties="other", signature="data:cub@5|ties:other")
    table = make_table(frame(report(), other))
    assert [row[-2:] for row in table.body] == [["52.8", "52.8"]]


def test_fields_that_axes_vary_are_meant_to_differ():
    odd = report("kk", job__dims=64, protocol__pooling="avg", signature="ties:expected|pool:avg")
    table = make_table(frame(report(protocol__pooling="cls"), odd), strict=True)
    assert [row[-1] for row in table.body] == ["52.8", "52.8"]


def test_what_has_a_mark_of_its_own_has_no_second_one():
    """And does not make a protocol unusual: two of three are measured with expected ties here."""
    odd = report("k", job__dims=1, **OPTIMISTIC)
    fitted = report("kk", job__dims=2, marks=["transductive"], protocol__transductive=True)
    table = make_table(frame(odd, fitted, report("kkk", job__dims=3)))
    assert [row[-1] for row in table.body] == ["52.8#", "52.8*", "52.8"]


def test_reports_that_are_not_shown_do_not_say_what_is_usual():
    """All cells were measured again, with a newer version: nothing is odd in what is left."""
    older = [report("k" * n, job__dims=n, **OPTIMISTIC) for n in (1, 2, 3)]
    newer = [report("k" * (n + 3), job__dims=n) for n in (1, 2, 3)]
    table = make_table(frame(*older, *newer), strict=True)
    assert [row[-1] for row in table.body] == ["52.8"] * 3
    assert note(table, "3 older reports of the same cells are not shown")


def test_run_folders_may_be_put_together():
    both = [frame(report(), report("kk", job__dims=2)), frame(report("kkk", job__dims=3))]
    odd = frame(report("kkkk", job__dims=4, **OPTIMISTIC))
    table = make_table(pd.concat([*both, odd]))
    assert [row[-1] for row in table.body] == ["52.8", "52.8", "52.8", "52.8#"]


def test_many_values_of_a_field_are_cut_short():
    odd = [
        report("k" * n, job__dims=n, **{**OPTIMISTIC, "protocol__ties": f"rule {n}"})
        for n in range(4, 9)
    ]
    plain = [report("k" * n, job__dims=n) for n in (2, 3)]
    table = make_table(frame(*plain, *odd))
    assert note(table, "#").endswith("ties (expected / rule 4 / rule 5 / …)")


def test_strict_refuses_and_names_column_and_field():
    odd = report("kkk", job__dims=64, **OPTIMISTIC)
    mixed = frame(report(), report("kk", job__dims=128), odd, report("kkkk", **CUB))
    with pytest.raises(MixedProtocolsError) as error:
        make_table(mixed, metrics=["r@1", "r@10"], strict=True)
    text = str(error.value)
    assert "SOP R@1: ties (expected / optimistic); SOP R@10: ties" in text
    assert "CUB" not in text
    assert "run the odd cells again" in text
    assert error.value.exit_code == 1
    make_table(mixed[mixed["dims"] != 64], strict=True)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"marks": ["transductive"], "protocol__transductive": True}, "transductive (False / True"),
        ({"marks": ["bad images left out"], "protocol__bad_images": "3"}, "bad_images (none / 3)"),
        ({"marks": ["test-selected"]}, "selection (not on them / on the evaluated images)"),
    ],
)
def test_strict_refuses_also_what_has_a_mark(changes, named):
    mixed = frame(report(), report("kk", job__dims=128), report("kkk", job__dims=64, **changes))
    with pytest.raises(MixedProtocolsError) as error:
        make_table(mixed, strict=True)
    assert named in str(error.value)
    assert not any(text.startswith("#") for text in make_table(mixed).notes)


def test_seeds_of_several_protocols_are_no_mean():
    """Also in fields that axes vary: seeds of one cell have them all in common."""
    for changes in (
        OPTIMISTIC,
        {"protocol__scales": "three", "signature": "data:sop@1234|ties:expected|scales:3"},
    ):
        mixed = seeds(**changes)
        table = make_table(mixed)
        assert table.body[0][-1] == "52.8 ± 0.0#"
        with pytest.raises(MixedProtocolsError, match=r"ties|scales"):
            make_table(mixed, strict=True)


def test_seeds_that_the_doctor_saw_apart_are_a_mean():
    apart = seeds(protocol__dataset_verified="OK")
    assert make_table(apart, strict=True).body[0][-1] == "52.8 ± 0.0"
    again = seeds(protocol__dataset_verified="OK", **OPTIMISTIC)
    assert "dataset_verified" not in note(make_table(again), "#")


def test_the_signature_is_under_the_table():
    assert make_table(frame(report())).notes[-1] == "signature: data:sop@1234|ties:expected"


def test_what_datasets_share_is_said_once_and_what_rows_vary_is_left_open():
    other = report("kkkkk", **CUB, signature="data:cub@55|ties:expected|pool:avg")
    rows = [
        report("k" * n, job__dims=n, signature=f"data:sop@1|ties:expected|pool:{pooling}")
        for n, pooling in ((3, "cls"), (4, "avg"))
    ]
    table = make_table(frame(*rows, other))
    assert table.notes[-2:] == [
        "signature: ties:expected",
        "signature by dataset: SOP data:sop@1|pool:…; CUB data:cub@55|pool:avg",
    ]


def test_two_datasets_of_one_title_keep_their_own_signatures():
    other = report("kk", job__dataset="folder:b/sop", signature="data:sop@99|ties:expected")
    assert make_table(frame(report(), other)).notes[-1] == (
        "signature by dataset: sop data:sop@1234; folder:b/sop data:sop@99"
    )


def test_odd_reports_are_not_in_the_signature():
    odd = report("kkk", job__dims=64, **OPTIMISTIC)
    table = make_table(frame(report(), report("kk", job__dims=128), odd))
    assert table.notes[-1] == "signature: data:sop@1234|ties:expected"


@pytest.mark.parametrize("form", ["markdown", "csv"])
def test_every_format_carries_the_signature(form):
    text = as_text(make_table(frame(report())), form).replace(r"\|", "|")
    assert "data:sop@1234|ties:expected" in text


def test_reports_of_other_fields_differ_in_them():
    """A later version's card may have a field more."""
    more = report("kkk", job__dims=64, protocol__new="yes", fingerprint_fields=["ties", "new"])
    marked = mark_protocols(frame(report(), report("kk", job__dims=128), more))
    odd = marked["odd_protocol"].iloc[2]
    assert [(one.field, one.usual, one.other) for one in odd if one.field == "new"] == [
        ("new", "unsaid", "yes")
    ]


def test_a_real_table_is_of_one_protocol(smoke, bench):
    output = " ".join(bench("report", "--strict", runs=smoke).output.split())
    assert "signature: split:twin|" in output
    assert "#" not in output
    one = next(read_reports(smoke))
    for token in ("data", "split", "ties", "select", "v"):
        assert f"|{token}:" in "|" + one["signature"]


def test_the_command_refuses_where_asked(smoke, bench, tmp_path):
    shutil.copytree(smoke / "reports", tmp_path / "runs" / "reports")
    victim = sorted((tmp_path / "runs" / "reports").glob("*.json"))[0]
    victim.write_text(victim.read_text().replace("expected value under", "optimistic about"))
    change_json(victim)
    assert "#" in bench("report").output
    refused = bench("report", "--strict", "-o", tmp_path / "table.txt", exit_code=1).output
    assert "columns mix protocols" in refused
    assert "ties (expected value under" in " ".join(refused.split())
    assert not (tmp_path / "table.txt").exists()
