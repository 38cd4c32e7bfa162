"""bench.selection and bench.shards: which cells of a plan one run does."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.execution.artifacts import write_json
from bench.identity import key_of
from bench.matrix import read_matrix
from bench.plan import make_plan
from bench.plan_notes import remember
from bench.selection import Typed, choose, read_selection, select
from bench.shards import groups
from registry.errors import UsageError
from results.store import failure_path, report_path

NOWHERE = Path("/nowhere")
WORDS = ("backbone=tiny_vit,tiny_conv", "dataset=twins", "dims=8,16", "loss=none,contrastive")
SMALL = ("backbone=tiny_vit,tiny_conv", "dataset=twin-sop", "dims=8,native")


def plan_of(*words, exclude=()):
    return make_plan(read_matrix(words, preset=None, exclude=exclude), skip_bad_images=False)


ALL = (*WORDS, "train=own,twins", "seed=0,1")
PLAN = plan_of(*ALL)


def wanted(*only, shard=None, retry_failed=False, limit=None):
    return read_selection(only=only, shard=shard, retry_failed=retry_failed, limit=limit)


def chosen(plan, *only, runs=NOWHERE, force=False, **options):
    return [
        cell.key for cell in select(plan, wanted(*only, **options), runs, force=force).plan.cells
    ]


def keys(plan):
    return [cell.key for cell in plan.cells]


def finish(runs, *cells):
    for cell in cells:
        write_json(report_path(runs, cell.key), {})


def fail(runs, *cells):
    for cell in cells:
        write_json(failure_path(runs, cell.key), {"message": "no such luck"})


def test_nothing_asked_for_selects_everything():
    assert select(PLAN, wanted(), NOWHERE).plan is PLAN
    assert select(PLAN, wanted(), NOWHERE).said == ""


plans = st.builds(
    lambda kept: replace(PLAN, cells=[PLAN.cells[place] for place in sorted(kept)]),
    st.sets(st.integers(0, len(PLAN.cells) - 1), min_size=1),
)


@given(plans, st.integers(1, 9))
def test_shards_are_disjoint_and_complete_and_keep_the_order(plan, number):
    shards = [chosen(plan, shard=f"{index}/{number}") for index in range(1, number + 1)]
    together = [key for shard in shards for key in shard]
    assert sorted(together) == sorted(keys(plan))
    for shard in shards:
        assert shard == [key for key in keys(plan) if key in shard]


def expensive(cell):
    """By the words of the design: a training, or else passes over what is evaluated."""
    model = cell.scores.descriptors.features.extraction.model
    passes = {found.extraction for found in cell.scores.features()}
    return {model} if model.training else {one for one in passes if one.part == "evaluated"}


@given(plans, st.integers(1, 9))
def test_shards_share_no_expensive_work(plan, number):
    cells = {cell.key: cell for cell in plan.cells}
    seen = set()
    for index in range(1, number + 1):
        shard = chosen(plan, shard=f"{index}/{number}")
        mine = set().union(*(expensive(cells[key]) for key in shard))
        assert not mine & seen
        seen |= mine


@given(plans, st.integers(1, 9), st.sets(st.integers(0, 50)))
def test_shards_are_dealt_in_turn_whatever_is_done(tmp_path_factory, plan, number, done):
    runs = tmp_path_factory.mktemp("runs")
    dealt = [[cell.key for cell in group] for group in groups(plan.cells)]
    firsts = [keys(plan).index(group[0]) for group in dealt]
    assert firsts == sorted(firsts)
    finish(runs, *(cell for place, cell in enumerate(plan.cells) if place in done))
    for index in range(number):
        mine = {key for group in dealt[index::number] for key in group}
        assert set(chosen(plan, shard=f"{index + 1}/{number}", runs=runs)) == mine


def test_groups_are_trainings_or_passes():
    trained = plan_of("backbone=tiny_vit", "dataset=twins", "dims=8,16", "seed=0,1")
    assert [len(group) for group in groups(trained.cells)] == [10, 10]
    bare = plan_of("backbone=tiny_vit", "dataset=twin-sop,twin-cub", "dims=8,16", "loss=none")
    assert [len(group) for group in groups(bare.cells)] == [2, 2]


def test_distractors_keep_their_datasets_together(bench, tmp_path):
    """Oxford shares its own pass with itself among distractors, and theirs with Paris."""
    many = tmp_path / "many"
    bench("data", "twin", "r1m", "--classes", 2, "--images", 3, "--out", many)
    names = ["twin-roxford", "twin-sop", f"twin-rparis+twin:{many}", f"twin-roxford+twin:{many}"]
    for order in (names, names[::-1]):
        words = ("backbone=tiny_vit", f"dataset={','.join(order)}", "loss=none", "dims=8,16")
        together, alone = sorted(groups(plan_of(*words).cells), key=len, reverse=True)
        assert len(together) == 6
        assert [cell.job.dataset for cell in alone] == ["twin-sop"] * 2


AXES = {"backbone": ["tiny_*", "tiny_vit"], "dims": ["8", "8,16"], "loss": ["none", "contr*"]}


@st.composite
def filters(draw):
    names = draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, unique=True))
    return " ".join(f"{name}={draw(st.sampled_from(AXES[name]))}" for name in names)


@settings(max_examples=30)
@given(st.lists(filters(), min_size=1, max_size=3))
def test_only_keeps_what_matches_all_axes_of_at_least_one(rules):
    """What --exclude drops, each on its own."""
    kept = set()
    for rule in rules:
        kept |= set(keys(PLAN)) - set(keys(plan_of(*ALL, exclude=[rule])))
    assert chosen(PLAN, *rules) == [key for key in keys(PLAN) if key in kept]


@settings(max_examples=50)
@given(filters(), st.integers(1, 60), st.integers(1, 4), st.sets(st.integers(0, 100)))
def test_limits_come_last(tmp_path_factory, rule, limit, number, done):
    runs = tmp_path_factory.mktemp("runs")
    finish(runs, *(cell for place, cell in enumerate(PLAN.cells) if place in done))
    shard = f"1/{number}"
    whole = chosen(PLAN, rule, shard=shard)
    left = [key for key in whole if not report_path(runs, key).exists()]
    assert chosen(PLAN, rule, shard=shard, limit=limit, runs=runs) == left[:limit]
    forced = chosen(PLAN, rule, shard=shard, limit=limit, runs=runs, force=True)
    assert forced == whole[:limit]


@given(filters(), st.integers(1, 4))
def test_shards_of_some_cells_are_disjoint_and_complete(rule, number):
    some = chosen(PLAN, rule)
    shards = [chosen(PLAN, rule, shard=f"{index}/{number}") for index in range(1, number + 1)]
    assert sorted(key for shard in shards for key in shard) == sorted(some)


def test_only_matches_as_typed_or_as_resolved_even_in_what_fell_together():
    words = ("backbone=tiny_vit", "dataset=twin-sop", "dims=8,native", "seed=0..3", "loss=none")
    plan = plan_of(*words)
    native = [cell for cell in plan.cells if cell.job.dims != 8]
    assert chosen(plan, "dims=native") == [cell.key for cell in native]
    assert chosen(plan, f"dims={native[0].job.dims}") == [cell.key for cell in native]
    assert chosen(plan, "dims=native seed=1", "dims=8 seed=2") == [
        cell.key
        for cell in plan.cells
        if (cell.job.dims == 8, cell.job.seed) in {(True, 2), (False, 1)}
    ]
    fallen = plan_of("backbone=tiny_vit,tiny_conv", "dataset=twin-sop", "loss=none", "recipe=*")
    assert fallen.duplicates > 0
    assert chosen(fallen, "recipe=smoke") == keys(fallen)


def test_only_that_matches_nothing_says_what_there_is():
    with pytest.raises(UsageError) as refused:
        chosen(PLAN, "backbone=deit_s dims=8")
    assert str(refused.value) == (
        '--only "backbone=deit_s dims=8": --only matches no cell: '
        "there is backbone=tiny_vit,tiny_conv; dims=8,16"
    )


@pytest.mark.parametrize(
    "text", ["3/2", "0/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "", "²/3", "1/2 "]
)
def test_a_wrong_shard_is_refused(text):
    with pytest.raises(UsageError, match=r"^--shard .*: write I/N"):
        wanted(shard=text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--only is empty"),
        ("bakbone=x", "did you mean 'backbone'"),
        ("backbone=tiny_vat", "did you mean 'tiny_vit'"),
        ("tiny_vit", "is not AXIS=VALUE"),
    ],
)
def test_a_wrong_filter_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        wanted(text)


def test_retry_failed_takes_what_failed_and_has_no_report(tmp_path):
    plan = plan_of(*SMALL)
    first, second, third, _ = plan.cells
    fail(tmp_path, first, second)
    finish(tmp_path, second, third)
    assert chosen(plan, retry_failed=True, runs=tmp_path) == [first.key]
    assert chosen(plan, retry_failed=True, limit=3, runs=tmp_path, force=True) == [first.key]


def test_what_failed_with_other_inputs_is_tried_again(tmp_path, monkeypatch):
    """Such as a cell that failed because its images were not there."""
    old = plan_of(*SMALL)
    remember(old, tmp_path)
    fail(tmp_path, *old.cells[:2])
    monkeypatch.setattr("bench.identity.SCORES_VERSION", 7)
    key_of.cache_clear()
    try:
        now = plan_of(*SMALL)
        assert not set(keys(now)) & set(keys(old))
        assert chosen(now, retry_failed=True, runs=tmp_path) == keys(now)[:2]
        finish(tmp_path, now.cells[0])
        assert chosen(now, retry_failed=True, runs=tmp_path) == [keys(now)[1]]
        finish(tmp_path, old.cells[1])
        assert chosen(now, retry_failed=True, runs=tmp_path) == []
    finally:
        key_of.cache_clear()


def typed(*words, preset=None, exclude=(), skip=False):
    return Typed(words, preset, exclude, skip)


def test_without_a_matrix_everything_that_failed_is_tried_again(tmp_path):
    plan = plan_of(*SMALL)
    remember(plan, tmp_path)
    fail(tmp_path, *plan.cells[1:])
    finish(tmp_path, plan.cells[2])
    retry = wanted(retry_failed=True)
    found = choose(typed(), retry, tmp_path, NOWHERE)
    assert list(found.plan.cells) == [plan.cells[1], plan.cells[3]]
    assert found.said == "2 of 2 cells selected by --retry-failed"
    skipping = choose(typed(skip=True), retry, tmp_path, NOWHERE).plan
    assert [cell.job for cell in skipping.cells] == [cell.job for cell in found.plan.cells]
    assert not set(keys(skipping)) & set(keys(plan))
    excluded = choose(typed(exclude=["backbone=tiny_conv"]), retry, tmp_path, NOWHERE).plan
    assert list(excluded.cells) == [plan.cells[1]]
    assert [reason for _, reason in excluded.pruned] == ["--exclude backbone=tiny_conv"]
    narrowed = choose(typed(), wanted("backbone=*conv", retry_failed=True), tmp_path, NOWHERE)
    assert list(narrowed.plan.cells) == [plan.cells[3]]


def test_what_cannot_be_resolved_again_is_pruned_with_the_reason(tmp_path):
    plan = plan_of(*SMALL)
    remember(plan, tmp_path)
    fail(tmp_path, *plan.cells)
    (path,) = (tmp_path / "plans").iterdir()
    note = json.loads(path.read_text())
    first, second, *_ = note
    note[first]["job"]["dataset"] = "folder:/nowhere"
    note[second] = "a label alone"
    path.write_text(json.dumps(note))
    found = choose(typed(), wanted(retry_failed=True), tmp_path, NOWHERE).plan
    assert len(found.cells) == 2
    reasons = dict(found.pruned)
    assert "there is no folder /nowhere" in reasons[note[first]["label"]]
    assert "give its matrix once more" in reasons["a label alone"]


def test_a_folder_without_plans_has_nothing_to_try_again(tmp_path):
    with pytest.raises(UsageError, match="no cell was ever asked for in"):
        choose(typed(), wanted(retry_failed=True), tmp_path, NOWHERE)
    with pytest.raises(UsageError, match="nothing to run"):
        choose(typed(), wanted(limit=1), tmp_path, NOWHERE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--retry-failed"], "--retry-failed: no cell of this matrix failed"),
        (["--limit", "2"], "--limit 2: every cell is done"),
        (["--shard", "3/3"], "--shard 3/3: no cell is in this shard: the cells are 2 groups"),
        (["--shard", "1/3", "--limit", "1"], "--shard 1/3 --limit 1: every cell is done"),
    ],
)
def test_a_selection_that_leaves_nothing_says_so_and_is_no_error(bench, options, said):
    plan = plan_of(*SMALL)
    remember(plan, bench.runs)
    finish(bench.runs, *plan.cells)
    for more in ([], ["--dry-run"]):
        assert bench("run", *SMALL, *options, *more).output.startswith(said)
    assert bench("run", *SMALL, *options, "--quiet").output == ""


def test_nothing_failed_in_a_run_folder(bench):
    remember(plan_of(*SMALL), bench.runs)
    said = f"--retry-failed: no cell in {bench.runs} failed\n"
    assert bench("run", "--retry-failed").stderr == said
    assert bench("run", "--retry-failed", "--dry-run").stdout == said


def test_dry_runs_count_what_is_selected(bench):
    shown = bench("run", *SMALL, "--only", "backbone=tiny_vit", "--limit", 1, "--dry-run").output
    first, second, *_ = shown.splitlines()
    assert first == "1 of 4 cells selected by --only backbone=tiny_vit --limit 1"
    assert second == "1 cell = 1 training + 1 extraction + 1 scoring (and 1 PCA fit)"


def test_wrong_options_are_exit_2(bench):
    assert "--shard 3/2: write I/N" in bench("run", *SMALL, "--shard", "3/2", exit_code=2).output
    assert "--limit" in bench("run", *SMALL, "--limit", 0, exit_code=2).output
    refused = bench("run", *SMALL, "--only", "dims=9", exit_code=2).output
    assert "there is dims=8," in refused
    pruned = bench("run", "backbone=resnet50", "pooling=cls", "--limit", 1, exit_code=2).output
    assert "no cell is left to run: pooling=cls" in pruned


def test_a_selection_is_run_and_counted(bench, photos):
    words = ["backbone=tiny_conv", f"dataset=folder:{photos}", "dims=4,8", "weights=scratch"]
    words += ["resolution=32"]
    one = bench("run", *words, "--limit", 1).output
    assert "1 of 2 cells selected by --limit 1" in one
    assert one.endswith("\n1 cell done\n")
    assert "1 done" in bench("status").output
    assert bench("run", *words, "--limit", 1).output.endswith("\n1 cell done\n")
    assert bench("run", *words).output.endswith("\n2 cells done\n")


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("recipe.steps=30", ["smoke"]),
        ("select=validation", ["field-default"]),
        ("recipe.lr=0.002", ["smoke"]),
        ("recipe.lr=3e-5", ["field-default"]),
    ],
)
def test_rules_ask_for_fields_of_the_recipe_that_were_not_typed(rule, kept):
    words = ["dataset=twin-cub", "backbone=tiny_conv", "recipe=smoke,field-default"]
    whole = make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False)
    wanted = read_selection(only=[rule], shard=None, retry_failed=False, limit=None)
    assert [cell.job.recipe for cell in select(whole, wanted, Path("nowhere")).plan.cells] == kept
    left = make_plan(read_matrix(words, preset=None, exclude=[rule]), skip_bad_images=False)
    assert {cell.job.recipe for cell in left.cells} == {"smoke", "field-default"} - {*kept}


def test_a_rule_that_no_recipe_meets_says_what_there_is():
    words = ["dataset=twin-cub", "backbone=tiny_conv", "recipe=smoke,field-default"]
    plan = make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False)
    wanted = read_selection(only=["select=test"], shard=None, retry_failed=False, limit=None)
    with pytest.raises(UsageError, match=r"there is recipe\.selection=last,validation"):
        select(plan, wanted, Path("nowhere"))
