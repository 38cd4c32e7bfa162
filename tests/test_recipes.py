"""registry.recipe, recipes, recipe_rules: read, written, refused, and what numbers depend on."""

import math
from dataclasses import MISSING, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import UsageError
from registry.recipe import OF_SELECTION, WORDS, Recipe, settings
from registry.recipe_rules import RULES, check_recipe
from registry.recipes import (
    FIELDS,
    RECIPES,
    field_text,
    format_recipe,
    known_words,
    parse_recipe,
    read_field,
    with_fields,
)

TWIN = RECIPES["twin"]
TYPES = {name: type(getattr(TWIN, name)) for name in FIELDS}
DEFAULTS = {field.name: field.default for field in fields(Recipe) if field.default is not MISSING}


def _values(field):
    if words := known_words(field):
        return st.sampled_from(words)
    if TYPES[field] is int:
        return st.integers(0, 10_000).map(str)
    return st.floats(0, 2, allow_nan=False).map(repr)


@st.composite
def typed(draw):
    """Fields as they are typed; not all of them go together."""
    names = draw(st.lists(st.sampled_from(FIELDS), unique=True, max_size=4))
    return {name: draw(_values(name)) for name in names}


def _read(text):
    try:
        return parse_recipe(text)
    except UsageError:
        return None


@pytest.mark.parametrize("row", RECIPES.values(), ids=lambda row: row.name)
def test_a_row_is_a_recipe_that_can_be_trained_by(row):
    assert check_recipe(row) == row
    assert parse_recipe(row.name) == row
    assert format_recipe(row) == row.name
    assert row.meaning


@pytest.mark.parametrize("row", RECIPES.values(), ids=lambda row: row.name)
def test_reasons_are_of_fields(row):
    names = [name for name, _ in row.reasons]
    assert set(names) <= set(FIELDS)
    assert len(set(names)) == len(names)
    assert all(reason for _, reason in row.reasons)


PAPER = {
    "irt-sop": {"steps": 35_000, "memory_share": 1.0, "memory_momentum": 0.0},
    "irt-cub": {"steps": 2_000, "memory_share": 1.0, "memory_momentum": 0.0},
    "irt-inshop": {"steps": 35_000, "memory_share": 0.2, "memory_momentum": 0.999},
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_recipes_of_categories_are_what_it_says(name):
    """Section 4.2."""
    said = {"batch_images": 64, "optimiser": "adamw", "lr": 3e-5, "weight_decay": 5e-4}
    row = RECIPES[name]
    assert {field: getattr(row, field) for field in (*said, *PAPER[name])} == said | PAPER[name]


def test_the_papers_recipe_of_landmarks_is_what_it_says():
    """Section 4.2: 100 epochs of 2,000 pairs, 5 tuples of 1 + 1 + 5 images a step."""
    row = RECIPES["irt-landmarks"]
    assert (row.optimiser, row.lr, row.weight_decay) == ("adam", 5e-7, 1e-6)
    assert (row.negatives, row.batch_images) == (5, 5 * (1 + 1 + 5))
    assert (row.pairs_per_epoch, row.pool_images) == (2_000, 22_000)
    assert row.epoch_steps * 5 == row.pairs_per_epoch
    assert row.steps == 100 * row.epoch_steps
    assert row.decay == pytest.approx(math.exp(-0.01), abs=1e-5)


@given(st.sampled_from(list(RECIPES)), typed())
def test_what_is_written_is_read(name, changes):
    text = f"{name}({','.join(f'{field}={value}' for field, value in changes.items())})"
    row = _read(text)
    if row is None:
        return
    assert parse_recipe(format_recipe(row)) == row
    assert format_recipe(parse_recipe(format_recipe(row))) == format_recipe(row)
    for field, value in changes.items():
        assert getattr(row, field) == read_field(field, value)
    for field in set(FIELDS) - set(changes):
        assert getattr(row, field) == getattr(RECIPES[name], field)


@given(st.sampled_from(list(RECIPES)), typed(), typed())
def test_fields_typed_later_replace_those_written_out(name, first, second):
    try:
        both = with_fields(with_fields(name, first), second)
        once = with_fields(name, {**first, **second})
    except UsageError:
        return
    assert both == once


def test_one_text_form():
    assert format_recipe(parse_recipe("twin(lr=0.0005)")) == "twin"
    assert format_recipe(parse_recipe("twin(lr=1e-3,steps=7)")) == "twin(steps=7,lr=0.001)"
    assert format_recipe(parse_recipe("twin(steps=1e3)")) == "twin(steps=1000)"
    assert format_recipe(parse_recipe("twin(channels_last=yes)")) == "twin(channels_last=yes)"
    assert format_recipe(parse_recipe("field-default(decay_biases=yes)")) == (
        "field-default(decay_biases=yes)"
    )


def test_digits_that_were_typed_are_kept():
    assert parse_recipe(with_fields("twin", {"lr": "0.00012345678901"})).lr == 0.00012345678901


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("twn", "unknown recipe 'twn'; did you mean 'twin'"),
        ("twin(stps=3)", "unknown field of a recipe 'stps'; did you mean 'steps'"),
        ("twin(name=x)", "unknown field of a recipe 'name'"),
        ("twin(steps=x)", "recipe.steps must be a number, not 'x'"),
        ("twin(steps=1.5)", "recipe.steps must be a whole number, not '1.5'"),
        ("twin(lr=nan)", "recipe.lr must be a number"),
        ("twin(sampler=balanced)", "unknown recipe.sampler 'balanced'"),
        ("twin(transform=sqare)", "unknown recipe.transform 'sqare'; did you mean 'square"),
        ("twin(compile=true)", "unknown recipe.compile 'true'"),
        ("twin(steps=1,steps=2)", "gives steps twice"),
        ("twin(steps", "is not of the form"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(UsageError, match=message):
        parse_recipe(text)


@pytest.mark.parametrize(
    "text",
    [
        "lr=0",
        "lr=-1",
        "steps=0",
        "batch_images=0",
        "images_per_class=0",
        "decay=0",
        "weight_decay=-0.1",
        "ema=1",
        "drop_path=1",
        "memory_momentum=1",
        "validation_share=1",
        "train_blocks=-2",
        "memory_share=-0.1",
        "warmup_steps=-1",
    ],
)
def test_a_value_out_of_range_is_said(text):
    field, _, value = text.partition("=")
    with pytest.raises(UsageError, match=rf"recipe\.{field}=.* is out of range"):
        parse_recipe(f"twin({text})")
    assert float(value) <= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_images=15", "multiple of images_per_class"),
        ("sampler=hard_class,epoch_steps=9,batch_images=15", "multiple of images_per_class"),
        ("sampler=tuples,epoch_steps=9", "needs negatives"),
        ("sampler=tuples,negatives=5,epoch_steps=9", "multiple of 2 \\+ negatives"),
        ("sampler=tuples,negatives=2,epoch_steps=9", "needs pairs_per_epoch and pool_images"),
        ("sampler=tuples,negatives=2,pairs_per_epoch=90", "needs pairs_per_epoch and pool"),
        (
            "sampler=tuples,negatives=2,pairs_per_epoch=90,pool_images=9",
            "need epoch_steps",
        ),
        (
            "sampler=tuples,negatives=2,pairs_per_epoch=35,pool_images=9,epoch_steps=9",
            "pairs_per_epoch are too few",
        ),
        ("sampler=hard_class", "need epoch_steps"),
        ("schedule=exponential", "need epoch_steps"),
        ("memory_order=before,memory_momentum=0.9", "leave out memory_momentum"),
        ("selection=validation,validation_share=0", "needs classes held out"),
    ],
)
def test_fields_that_do_not_go_together_are_said(text, message):
    with pytest.raises(UsageError, match=f"recipe twin.*{message}"):
        parse_recipe(f"twin({text})")


@pytest.mark.parametrize(
    "text",
    [
        "sampler=random,batch_images=15",
        "sampler=tuples,negatives=2,pairs_per_epoch=36,pool_images=9,epoch_steps=9",
        "sampler=hard_class,epoch_steps=9",
        "schedule=exponential,epoch_steps=9,decay=0.99",
        "memory_order=before",
        "memory_momentum=0.9",
        "selection=test,validation_share=0",
        "train_blocks=-1",
        "train_blocks=0",
        "memory_share=1.5",
    ],
)
def test_fields_that_go_together_are_taken(text):
    assert parse_recipe(f"twin({text})") != TWIN or text == "train_blocks=-1"


def test_every_rule_is_broken_by_something():
    broken = [
        replace(TWIN, batch_images=15),
        replace(TWIN, sampler="tuples"),
        replace(TWIN, sampler="tuples", negatives=2),
        replace(TWIN, schedule="exponential"),
        replace(TWIN, sampler="tuples", negatives=2, pairs_per_epoch=1, epoch_steps=9),
        replace(TWIN, memory_momentum=0.5, memory_share=0.0),
        replace(TWIN, memory_order="before", memory_momentum=0.5),
        replace(TWIN, selection="validation", validation_share=0),
    ]
    assert [holds(row) for row, (holds, _) in zip(broken, RULES, strict=True)] == [False] * 8


def test_a_field_that_changes_nothing_is_no_part_of_the_settings():
    found = settings(TWIN)
    assert found["steps"] == 180
    assert not set(found) & set(WORDS)
    assert not {"sampler", "ema", "precision", "selection", "train_blocks"} & set(found)
    assert found["version"] == 1


@given(st.sampled_from(list(RECIPES)), typed())
def test_settings_are_what_differs_from_neutral(name, changes):
    row = replace(RECIPES[name], **{key: read_field(key, text) for key, text in changes.items()})
    found = settings(row)
    for field in FIELDS:
        neutral = field in DEFAULTS and getattr(row, field) == DEFAULTS[field]
        idle = field in OF_SELECTION and row.selection == "last"
        assert (field not in found) == (neutral or idle)
        assert neutral or idle or found[field] == getattr(row, field)


def test_equal_settings_are_equal_trainings_whatever_they_are_called():
    other = replace(TWIN, name="other", meaning="words", reasons=(("lr", "because"),))
    assert settings(other) == settings(TWIN)
    assert settings(replace(TWIN, version=2)) != settings(TWIN)


def test_a_field_has_the_type_that_it_says():
    assert read_field("steps", "1e2") == 100
    assert isinstance(read_field("steps", "1e2"), int)
    assert isinstance(read_field("lr", "1"), float)
    assert read_field("compile", "yes") is True
    assert read_field("compile", "no") is False
    assert read_field("selection", "test") == "test"
    assert read_field("transform", "square") == "square"


@given(st.sampled_from(list(RECIPES)), st.sampled_from(FIELDS))
def test_a_field_is_written_as_it_is_read(name, field):
    row = RECIPES[name]
    assert read_field(field, field_text(row, field)) == getattr(row, field)


def test_steps_of_the_field_are_derived_where_they_are_not_said():
    assert (TWIN.classes_per_batch, TWIN.validation_steps) == (8, 18)
    assert replace(TWIN, validate_every=7).validation_steps == 7
    assert replace(TWIN, steps=5).validation_steps == 1
