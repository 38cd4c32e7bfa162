"""bench.card, bench.protocol: a card names what a number depends on, a signature in one line."""

import re

import pytest

from bench import card as cards
from bench.card import SELECTIONS, Said, protocol_card
from bench.identity import scores_of
from bench.job import resolve
from bench.protocol import (
    NO_PART_OF_A_NUMBER,
    TOKENS,
    TOLD_ELSEWHERE,
    compared_fields,
    fingerprint,
    signature,
    texts,
)
from bench.scoring import PRECISION_KS
from registry.datasets import dataset_row
from results import signatures
from tests.conftest import write_photos

CLEAN = {"bad_images": 0, "bad_training_images": 0}


def card(counts=CLEAN, verified="no", **cell):
    job = resolve({"dataset": "twin-sop", "backbone": "tiny_vit", **cell})
    return protocol_card(job, scores_of(job, skip_bad_images=False), counts, verified)


def tokens(one):
    return dict(token.split(":", 1) for token in signature(one).split("|"))


CARD = card(projection="pca", dims="16")

NAMED_BY_THE_ISSUE = {
    "dataset_fingerprint",
    "split",
    "query_crop",
    "transform",
    "interpolation",
    "pooling",
    "projection",
    "projection_fit",
    "scales",
    "feature_dtype",
    "search_dtype",
    "metrics",
    "ties",
    "self_match",
    "ks",
    "duplicates",
    "selection",
    "versions",
}


def test_every_choice_that_papers_leave_unsaid_is_on_the_card():
    assert set(CARD) >= NAMED_BY_THE_ISSUE
    assert all(isinstance(text, str) and text for text in texts(CARD).values())


def test_every_field_is_in_the_signature_or_told_by_another():
    said = {name for form in TOKENS.values() for name in re.findall(r"{(\w+)}", form)}
    assert said | set(TOLD_ELSEWHERE) | set(NO_PART_OF_A_NUMBER) == set(CARD)
    assert not said & (set(TOLD_ELSEWHERE) | set(NO_PART_OF_A_NUMBER))
    assert set(TOLD_ELSEWHERE.values()) <= said
    assert signatures.NO_PART_OF_A_NUMBER == NO_PART_OF_A_NUMBER


@pytest.mark.parametrize("name", sorted(set(CARD) - set(TOLD_ELSEWHERE) - set(NO_PART_OF_A_NUMBER)))
def test_a_changed_field_is_another_signature(name):
    changed = {**CARD, name: Said("something else", "else")}
    assert CARD[name].short
    assert signature(changed) != signature(CARD)
    assert (fingerprint(changed) != fingerprint(CARD)) == (name in compared_fields(CARD))


@pytest.mark.parametrize("transform", ["short_center", "long_side", "cirtorch"])
@pytest.mark.parametrize("dataset", ["twin-sop", "twin-roxford", "sop", "roxford+r1m", "cub"])
def test_a_token_holds_no_blank_and_no_separator(dataset, transform):
    one = card(dataset=dataset, transform=transform, weights="scratch", loss="none", train="own")
    for said in one.values():
        assert not re.search(r"[|:\s]", said.short), said
    assert list(tokens(one)) == list(TOKENS)


def test_the_signature_of_a_job_is_this():
    plain = re.sub(r"@[0-9a-f]{8}\b", "@<hash>", signature(CARD))
    assert re.sub(r"v:\d+(\.\d+){5}/\d+\.\d+\.\d+$", "v:<versions>", plain) == (
        "data:sop-twin@<hash>|split:twin|T:short_center|crop:none|exif:ignored|px:64|"
        "interp:bicubic|scales:1|pool:cls|proj:pca|fit:twins-shared-training-set@<hash>|"
        "dtype:f32/exact|sim:cosine|metric:R@K,MAP@R,mAP|K:1,10,100,1000|ties:expected|self:masked|"
        "dup:kept|bad:none|loss:contrastive|recipe:twin|select:last|v:<versions>"
    )


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ({"dataset": "twin-roxford"}, {"crop": "box-native", "T": "square", "metric": "revisitop"}),
        ({"dataset": "twin-roxford", "crop": "none"}, {"crop": "none"}),
        ({"transform": "long_side"}, {"T": "long_side/16"}),
        ({"transform": "cirtorch"}, {"interp": "lanczos"}),
        ({"transform": "long_side", "backbone": "tiny_conv"}, {"T": "long_side"}),
        ({"backbone": "tiny_conv"}, {"interp": "bilinear", "pool": "gem"}),
        ({"resolution": "96"}, {"px": "96"}),
        ({"resolution": "96", "test_resolution": "128"}, {"px": "128/96"}),
        ({"test_resolution": "128", "loss": "none"}, {"px": "128"}),
        ({"loss": "none"}, {"loss": "none", "recipe": "none"}),
        (
            {"loss": "contrastive(beta=0.3)+koleo", "recipe.lr": "1e-4"},
            {"loss": "contrastive-beta-0.3-+koleo", "recipe": "twin-lr-0.0001"},
        ),
        ({"projection": "matryoshka", "dims": "16"}, {"proj": "matryoshka", "fit": "none"}),
        ({"loss": "none"}, {"select": "untrained"}),
        ({}, {"proj": "none", "fit": "none", "K": "1,10,100,1000"}),
        ({"dataset": "twin-roxford"}, {"K": ",".join(map(str, PRECISION_KS))}),
        ({"dataset": "sop", "weights": "scratch"}, {"split": "official"}),
        (
            {"dataset": "twin-cub@subset(classes=5,seed=1)"},
            {"split": "twin.subset(classes=5,seed=1)"},
        ),
    ],
)
def test_a_job_says_how_it_is_measured(cell, expected):
    found = tokens(card(**cell))
    assert {name: found[name] for name in expected} == expected


def test_cropping_is_another_signature_and_the_same_fingerprint():
    """It is an axis: a table may compare the two, and says so."""
    box, none = (card(dataset="twin-roxford", crop=crop) for crop in ("box", "none"))
    assert signature(box) != signature(none)
    assert fingerprint(box) == fingerprint(none)
    assert box["query_crop"].text.endswith("before resizing")


def test_the_split_of_a_folder_and_a_fit_on_it_are_said(tmp_path):
    root = write_photos(tmp_path / "my | photos")
    cell = {"weights": "scratch", "loss": "none", "dims": "8"}
    flat = tokens(card(dataset=f"folder:{root}", **cell))
    assert flat["split"] == "folder-all"
    assert flat["fit"] == "evaluated"
    assert flat["exif"] == "applied"
    assert flat["data"].startswith("my-photos@")
    assert card(dataset=f"folder:{root}", **cell)["transductive"].text == "yes"
    halves = tokens(card(dataset=f"folder:{root}@split=classes", **cell))
    assert halves["split"] == "folder-halves"
    assert halves["fit"].startswith("my-photos-classes@")
    parts = tmp_path / "parts"
    write_photos(parts / "train")
    write_photos(parts / "test")
    assert tokens(card(dataset=f"folder:{parts}", **cell))["split"] == "folder-train-test"


def test_left_out_images_are_counted():
    assert tokens(card({"bad_images": 2, "bad_training_images": 1}))["bad"] == "2+1"


def test_when_the_doctor_looked_is_no_part_of_the_number():
    one, other = (card(verified=said) for said in ("no", "OK, content ab, 2026"))
    assert one["dataset_verified"] != other["dataset_verified"]
    assert signature(one) == signature(other)
    assert fingerprint(one) == fingerprint(other)


def test_versions_are_in_the_order_of_the_stages(monkeypatch):
    for number, name in enumerate(
        ("DECODING", "TRAINING", "EXTRACTION", "FIT", "DESCRIPTORS", "SCORES")
    ):
        monkeypatch.setattr(cards.identity, f"{name}_VERSION", 10 + number)
    assert tokens(card())["v"].startswith("10.11.12.13.14.15/")


def test_a_loss_is_said_term_by_term_with_all_its_values():
    said = card(loss="contrastive(beta=0.3)+koleo")["loss"].text
    assert re.fullmatch(r"contrastive .*\(beta 0\.3\) \+ lambda x .*\(lambda 0\.7\)", said)
    assert "off-the-shelf" in card(loss="none")["loss"].text


def test_sizes_of_training_and_evaluation_are_said():
    assert card(test_resolution="96")["resolution"].text == "96 px, trained at 64 px"
    assert card()["resolution"].text == "64 px"


@pytest.mark.parametrize("selection", SELECTIONS)
def test_how_a_checkpoint_was_chosen_is_said(selection):
    one = card(**{"recipe.selection": selection})
    assert tokens(one)["select"] == selection
    assert ("evaluated images" in one["selection"].text) == (selection == "test")


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_model_chosen_on_the_evaluated_images_is_marked(selection):
    from bench.matrix import read_matrix
    from bench.plan import make_plan
    from bench.report import marks

    words = ["dataset=twin-sop", "backbone=tiny_vit", f"select={selection}"]
    (cell,) = make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False).cells
    counts = {**CLEAN, "tied_queries": 0, "queries": 9}
    one = card(**{"recipe.selection": selection})
    found = marks(dataset_row("twin-sop"), cell, counts, one, seen=False)
    assert ("test-selected" in found) == (selection == "test")
    assert "twin" in found
