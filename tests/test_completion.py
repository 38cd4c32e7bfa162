"""bench.completion: axes and values, in bash, which splits at '=', and elsewhere."""

import pytest
from click.testing import CliRunner

from bench.cli import main


def complete(shell, words, place=None):
    environment = {
        "_BENCH_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "\n".join(words) if shell == "bash" else " ".join(words),
        "COMP_CWORD": words[-1] if shell == "fish" else str(place or len(words) - 1),
    }
    result = CliRunner().invoke(main, env=environment, prog_name="bench")
    lines = result.output.splitlines()
    if shell == "zsh":
        return lines[1::3]
    return [line.partition(",")[2].split("\t")[0] for line in lines]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_axes(shell):
    assert complete(shell, ["bench", "run", "ba"]) == ["backbone="]


def test_values_in_zsh_are_whole_words():
    found = complete("zsh", ["bench", "run", "backbone=deit_s,res"])
    assert found == [f"backbone=deit_s,resnet{n}" for n in (18, 34, 50, 101)]


def test_values_in_bash_are_what_follows_the_equals_sign():
    found = complete("bash", ["bench", "run", "backbone", "=", "deit_s,res"])
    assert found == [f"deit_s,resnet{n}" for n in (18, 34, 50, 101)]


def test_all_values_follow_a_bare_equals_sign_in_bash():
    assert complete("bash", ["bench", "run", "projection", "="]) == [
        "pca",
        "linear",
        "matryoshka",
        "none",
    ]


def test_a_second_axis_in_bash():
    words = ["bench", "run", "dims", "=", "128", "projection", "=", "p"]
    assert complete("bash", words) == ["pca"]


def test_a_value_is_not_offered_twice():
    found = complete("zsh", ["bench", "run", "projection=pca,"])
    assert found == [f"projection=pca,{name}" for name in ("linear", "matryoshka", "none")]


def test_fields_of_the_recipe_are_axes():
    assert complete("zsh", ["bench", "run", "recipe.memory_s"]) == [
        "recipe.memory_share=",
        "recipe.memory_start=",
    ]
    assert complete("zsh", ["bench", "run", "rec"]) == ["recipe="]
    assert complete("bash", ["bench", "run", "recipe.optimiser", "=", "ad"]) == ["adamw", "adam"]
    assert complete("zsh", ["bench", "run", "recipe.lr=1"]) == []
    assert complete("zsh", ["bench", "run", "recipe.ema_=1"]) == []


def test_the_short_name_of_a_field_is_an_axis():
    assert complete("bash", ["bench", "run", "sele"]) == ["select="]
    assert complete("zsh", ["bench", "run", "select=last,v"]) == ["select=last,validation"]


def test_an_unknown_axis_completes_to_nothing():
    assert complete("zsh", ["bench", "run", "bakbone=d"]) == []


def test_presets_and_the_axes_of_list():
    assert complete("zsh", ["bench", "run", "--preset", "sm"]) == ["smoke"]
    assert complete("zsh", ["bench", "list", "da"]) == ["dataset"]
