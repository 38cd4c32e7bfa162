"""results.published: the numbers as typed again by hand, whose cells they are, what differs."""

import itertools
from collections import Counter, defaultdict

import pandas as pd
import pytest

from registry.backbones import BACKBONES
from registry.datasets import TRAINING_SETS
from registry.losses import format_loss, parse_loss
from registry.poolings import POOLINGS
from registry.projections import PROJECTIONS
from registry.weights import KINDS
from results.published import (
    competitors,
    explain,
    notes_of,
    published_for,
    read_published,
)
from results.published_file import COSTS, FIELDS
from results.signatures import Difference
from results.store import ResultsError
from tests.reports import frame, report

TYPED = """
irt-table1 | R50 | R50 | | | params_m | 23
irt-table1 | DeiT-B† | DeiT-B† | | | gflops | 33.8
irt-table1 | DeiT-B | DeiT-B | | imagenet | top1 | 81.8
irt-table2 | ABE | GoogLeNet | 512 | inshop | r@30 | 98.2
irt-table2 | HTL | InceptionBN | 512 | sop | r@1 | 74.8
irt-table2 | MIC | R50 | 128 | inshop | r@30 | 98.0
irt-table2 | XBM | R50 | 128 | sop | r@1000 | 98.7
irt-table2 | ProxyNCA++ | R50 | 2048 | cub | r@2 | 82.0
irt-table2 | IRT_R | DeiT-S | 128 | cub | r@1 | 72.6
irt-table2 | IRT_R | DeiT-S | 384 | inshop | r@20 | 98.7
irt-table2 | IRT_R | DeiT-S† | 384 | cub | r@8 | 94.3
irt-table3 | IRT_O | DeiT-S | 384 | sop | r@1 | 52.8
irt-table3 | IRT_L | DeiT-S | 384 | cub | r@1 | 74.2
irt-table3 | IRT_R | DeiT-S | 384 | rparis | map_hard | 40.2
irt-table4 | SNCA | R50 | 2048 | sop | r@1 | 78.0
irt-table4 | NSoftmax | DeiT-S | 384 | sop | r@1 | 80.8
irt-table5 | β=0.9 λ=1.0 | R50 | 2048 | sop | r@1 | 9.1
irt-table5 | β=0.9 λ=0.3 | DeiT-S | 384 | sop | r@1 | 84.4
irt-table5 | β=0.1 λ=0.7 | DeiT-S | 384 | sop | r@1 | 70.1
irt-table6 | λ=3 | DeiT-S | 384 | roxford | map_medium | 34.6
irt-table6 | λ=1 | DeiT-S | 384 | roxford | map_hard | 9.3
irt-table7 | 224 R50 R-MAC | R50 | 128 | roxford | map_hard | 5.5
irt-table7 | 224 DeiT-B† CLS | DeiT-B† | 768 | rparis | map_medium | 67.5
irt-table7 | 384 R101 GeM | R101 | 2048 | rparis | map_hard | 45.8
irt-table8 | DeiT-B†{384} IRT_R | DeiT-B†{384} | 768 | roxford | map_medium | 55.1
irt-table8 | R101{1024} [2]-GeM (AP) | R101{1024} | 2048 | roxford | map_hard | 42.8
irt-table9 | Max | DeiT-S | 384 | cub | r@1 | 69.2
irt-table9 | CLS | DeiT-S | 384 | inshop | r@1 | 90.4
jhgan00 | IRT_L DeiT-S | DeiT-S | 384 | inshop | r@1 | 93.09
jhgan00 | IRT_R DeiT-S† (earlier) | DeiT-S† | 384 | cub | r@1 | 76.50
hyp-vit | Hyp-DINO | ViT-S/16 | 384 | sop | r@1 | 85.1
hyp-vit | Sph-ViT | ViT-S/16 (IN-21k) | 384 | cub | r@4 | 94.3
sfora-notes | LOCORE | | | sop | r@1 | 89.4
rsk | RS@k ViT-B/16 | ViT-B/16 | 512 | sop | r@1 | 88.0
roadmap | ROADMAP DeiT-S† | DeiT-S† | 384 | cub | r@1 | 77.4
stir | ViT-Triplet + STIR | ViT-S/16 | | inshop | r@1 | 95.0
oml-readme | OML ViT-S/16 | ViT-S/16 | 384 | sop | r@1 | 86.6
oml-readme | vitb14_dinov2 | vitb14_dinov2 | 768 | cub | r@1 | 84.2
oml-readme | vits16_dino | vits16_dino | 384 | inshop | r@1 | 50.9
unicom | UNICOM supervised L/14@336 | ViT-L/14@336 | | sop | r@1 | 91.2
unicom | UNICOM zero-shot B/16 | ViT-B/16 | | cub | r@1 | 86.5
proxynca++ | ProxyNCA++ | R50 | 2048 | inshop | r@1 | 90.9
proxy-anchor | Proxy-Anchor ResNet-50 | R50 | 512 | cub | r@1 | 69.9
nsoftmax | NSoftmax | R50 | 2048 | inshop | r@20 | 98.61
metrix | Proxy-Anchor + Metrix | R50 | 512 | cub | r@1 | 71.0
rrt-sop | RRT finetuned | R50 | | sop | r@1 | 84.5
cgd | CGD | R50 | | inshop | r@30 | 97.7
listing-55489287291 | HIER ViT-S | ViT-S | | cub | r@1 | 85.7
listing-2175243270 | RaMBO (second variant) | R50 | 512 | inshop | r@1 | 86.3
cirtorch-readme | rSfM120k-tl R101 gem-w | R101 | 2048 | roxford | map_medium | 67.8
cirtorch-readme | gl18-tl R152 gem-w | R152 | 2048 | rparis | map_hard | 60.3
dir-readme | R101-TL-MAC | R101 | 2048 | rparis | map_hard | 55.5
solar-readme | SOLAR | R101 | 2048 | rparis+r1m | map_medium | 59.19
rrt-gld-readme | DELG + RRT R101 GLDv1 | R101 | | roxford | map_hard | 62.5
dolg-image | DOLG R101 | R101 | 512 | rparis | map_medium | 91.02
dolg-readme | DOLG R50 (corrected, not cropped) | R50 | 512 | rparis | map_hard | 80.48
token-readme | Token R101 | R101 | 1024 | roxford+r1m | map_hard | 47.46
token-readme | NetVLAD (retrained) | | | roxford | map_medium | 73.91
vitgal | ViTGaL XCiT-S24/16 | XCiT-S24/16 | 512 | roxford | map_hard | 61.34
superglobal | SuperGlobal | | 2048 | rparis | map_hard | 86.7
dino-table3 | DINO ViT-S/16 (IN) | ViT-S/16 | 384 | rparis | map_medium | 63.1
dinov2-table9 | DINOv2 g/14 | ViT-g/14 | 1536 | roxford | map_hard | 52.3
dinov2-table9 | OpenCLIP-G | ViT-G | | rparis | map_hard | 60.2
dinov2-registers | DINOv2 L/14 + registers | ViT-L/14 | 1024 | roxford | map_hard | 55.7
dinov2-table3a | with KoLeo | | | roxford | map_medium | 63.9
"""
"""table | row | backbone | dims | dataset | metric | value, from the sources again."""
SIZES = {
    "irt-table1": 6 * 3,
    "irt-table2": 20 * 12 - (4 + 4 + 8 + 3 + 4 + 1 + 1),  # dashes: SoftTriple … NSoftmax
    "irt-table3": 3 * 7,
    "irt-table4": 3 * 2,
    "irt-table5": 2 * 5 * 5,
    "irt-table6": 6 * 4,
    "irt-table7": 18 * 4,
    "irt-table8": 7 * 4,
    "irt-table9": 4 * 7,
    "jhgan00": 4 * 12 + 3 * 4,
    "hyp-vit": 6 * 12,
    "sfora-notes": 2 + 4,
    "rsk": 3,
    "roadmap": 4,
    "stir": 4,
    "oml-readme": 3 + 14 * 3,
    "unicom": 4 * 2 + 4 * 3,
    "proxynca++": 3,
    "proxy-anchor": 12 + 4,
    "nsoftmax": 12,
    "metrix": 6 * 9,
    "rrt-sop": 3 * 3,
    "cgd": 12,
    "listing-55489287291": (4 + 4 + 1) + (3 + 4) + (2 + 3 + 3 + 3) + 2 * 2,
    "listing-2175243270": 2 * 3 + 2 * 4,
    "cirtorch-readme": 10 * 4,
    "dir-readme": 5 * 4,
    "solar-readme": 2 * 4,
    "rrt-gld-readme": 8 * 4,
    "dolg-image": 3 * 4,
    "dolg-readme": 4 * 4,
    "token-readme": 2 * 8 + 4 * 4,
    "vitgal": 2 * 4,
    "superglobal": 2,
    "dino-table3": 5 * 4,
    "dinov2-table9": 7 * 4,
    "dinov2-registers": 4,
    "dinov2-table3a": 4,
}
PRESETS = {f"irt-table{number}" for number in range(3, 10)}
SOP = {
    "protocol__transform": "resize short side to size x 256/224, centre crop",
    "protocol__query_crop": "none",
    "protocol__resolution": "224 px",
    "protocol__scales": "one scale",
    "protocol__split": "official",
    "protocol__projection": "none",
    "protocol__projection_fit": "not fitted",
    "protocol__selection": "not trained",
    "protocol__recipe": "not trained",
}
TRAINED = {
    **SOP,
    "job__train": "own",
    "job__loss": "contrastive+koleo",
    "job__recipe": "irt-sop",
    "job__seed": 0,
    "protocol__selection": "the last checkpoint",
    "protocol__recipe": "irt-sop",
}
LANDMARKS = {
    **TRAINED,
    "job__dataset": "roxford",
    "job__train": "sfm120k",
    "job__loss": "contrastive(beta=0.85)",
    "job__recipe": "irt-landmarks",
    "job__transform": "square",
    "job__crop": "box",
    "protocol__transform": "squash to size x size",
    "protocol__query_crop": "to bbx in native pixels, before resizing",
    "protocol__recipe": "irt-landmarks",
}


@pytest.fixture(scope="module")
def published():
    return read_published()


@pytest.fixture(scope="module")
def cells():
    """A report's row of every cell of the paper's presets, with the card that it would have."""
    from bench.card import protocol_card
    from bench.matrix import read_matrix
    from bench.plan import make_plan

    rows = []
    for preset in sorted(PRESETS):
        matrix = read_matrix([], preset=preset, exclude=[])
        for cell in make_plan(matrix, skip_bad_images=False).cells:
            card = protocol_card(cell.job, cell.scores, defaultdict(int), "")
            texts = {f"protocol.{field}": said.text for field, said in card.items()}
            rows.append({"preset": preset, "marks": [], **cell.job.values(), **texts})
    return rows


def beside(*reports, metric="r@1"):
    return published_for(frame(*reports), metric)


def differences(found):
    return {one.field: (one.usual, one.other) for one in found.differences}


def test_numbers_are_those_that_were_typed_again(published):
    names = ["table", "row", "backbone", "dims", "dataset", "metric", "text"]
    there = set(map(tuple, published[names].to_numpy()))
    lines = [tuple(part.strip() for part in line.split("|")) for line in TYPED.strip().split("\n")]
    assert [line for line in lines if line not in there] == []
    assert {line[0] for line in lines} == set(SIZES)  # some of every table


def test_every_table_is_there_whole(published):
    assert Counter(published["table"]) == SIZES
    assert list(dict.fromkeys(published["table"])) == list(SIZES)  # in this order


def test_values_are_numbers_and_texts_are_as_printed(published):
    (default,) = published[published["row"] == "β=0.5 λ=0.7"][["value", "text"]][1:].to_numpy()
    assert list(default) == [84.0, "84.0"]
    assert (published["value"] == published["text"].astype(float)).all()


def test_axes_that_are_matched_are_rows_of_the_registry(published):
    known = {
        "backbone": set(BACKBONES),
        "pooling": set(POOLINGS),
        "projection": set(PROJECTIONS),
        "weights": set(KINDS),
        "train": {"own", *TRAINING_SETS},
    }
    for axis, names in known.items():
        alternatives = published[f"match.{axis}"].str.split("|").explode()
        assert set(alternatives) <= {"", *names}, axis
    for text in published["match.loss"].str.split("|").explode().unique():
        loss = text.replace("[1-9]*", "4")
        assert not loss or format_loss(parse_loss(loss)) == loss


def test_unreduced_widths_are_those_of_the_backbones(published):
    whole = published[published["match.projection"] == "none"]
    for names, dims in set(zip(whole["match.backbone"], whole["match.dims"], strict=True)):
        assert {str(BACKBONES[name].width) for name in names.split("|")} == {dims}


def test_every_number_that_is_matched_says_all_that_makes_a_variant(published):
    matched = published[(published["match.backbone"] != "") & (published["dataset"] != "")]
    matched = matched[matched["metric"] != "top1"]
    for axis in ("weights", "loss", "dims", "projection"):
        assert (matched[f"match.{axis}"] != "").all(), axis
    assert (matched["match.dims"] == matched["dims"]).all()


def test_every_protocol_field_is_one_of_the_card(cells):
    told = {name.removeprefix("protocol.") for name in cells[0] if name.startswith("protocol.")}
    assert set(FIELDS) - told == {"train", "rerank"}


def test_every_cell_of_a_preset_has_its_number_and_differs_in_nothing(cells):
    wrong = []
    for cell in cells:
        metric = "map_hard" if cell["dataset"] in ("roxford", "rparis") else "r@1"
        found = published_for(pd.DataFrame([cell]), metric)
        own = [number for number in found if number.table == cell["preset"]]
        if len(own) != 1 or own[0].differences:
            wrong.append((cell, own))
    assert wrong == []


def test_every_number_of_the_paper_is_that_of_a_cell_of_its_preset(cells, published):
    axes = ("backbone", "pooling", "resolution", "dims", "projection")
    there = {
        (cell["preset"], cell["dataset"], *(str(cell[axis]) for axis in axes)) for cell in cells
    }
    poolings = {cell["pooling"] for cell in cells}
    own = published[published["table"].isin(PRESETS)].to_dict("records")
    own = [row for row in own if row["citation"].startswith("El-Nouby")]
    missed = set()
    for row in own:
        choices = [row[f"match.{axis}"].split("|") for axis in axes]
        meant = {(row["table"], row["dataset"], *chosen) for chosen in itertools.product(*choices)}
        if not meant & there and (row["match.pooling"] != "rmac" or "rmac" in poolings):
            missed.add((row["table"], row["row"], row["backbone"], row["dims"]))
    assert missed == set()


def test_the_papers_number_comes_before_that_of_its_reproduction():
    found = beside(report(**SOP))
    assert [(one.table, one.text) for one in found] == [
        ("irt-table3", "52.8"),
        ("jhgan00", "53.12"),
    ]
    assert found[0].value == 52.8
    assert found[0].row == "IRT_O"
    assert found[0].confidence == "read"
    assert found[0].citation == "El-Nouby et al. 2021, arXiv 2102.05644"
    assert found[0].source == "arXiv 2102.05644 Table 3"


def test_the_paper_comes_first_even_where_it_differs_more(published):
    (recipe,) = published[(published["table"] == "jhgan00") & (published["text"] == "82.67")][
        "protocol.recipe"
    ]
    found = beside(report(**TRAINED | {"protocol__recipe": recipe}))
    assert [len(one.differences) for one in found] == [1, 1, 1, 0]
    assert found[-1].table == "jhgan00"


def test_what_the_source_says_and_ours_does_too_is_no_difference():
    paper, reproduction = beside(report(**SOP))
    assert differences(paper) == {}
    assert paper.unsaid == ("transform", "scales")
    assert differences(reproduction) == {}
    assert reproduction.unsaid == ()


def test_a_protocol_of_our_own_is_told_field_by_field():
    ours = SOP | {"protocol__transform": "squash to size x size"}
    paper, reproduction = beside(report(**ours))
    assert differences(paper) == {}  # it does not say
    assert differences(reproduction) == {
        "transform": (
            "resize short side to size x 256/224, centre crop",
            "squash to size x size",
        )
    }


def test_a_recipe_that_was_changed_is_told():
    found = beside(report(**TRAINED | {"protocol__recipe": "irt-sop(steps=2000)"}))
    assert differences(found[0]) == {"recipe": ("irt-sop", "irt-sop(steps=2000)")}
    assert [one.table for one in found] == ["irt-table2", "irt-table3", "irt-table5", "jhgan00"]
    assert {one.text for one in found[:3]} == {"84.0"}


def test_a_training_set_by_its_name_is_its_own():
    assert beside(report(**TRAINED | {"job__train": "sop"})) == beside(report(**TRAINED))


def test_training_at_another_resolution_is_told():
    at = {"job__resolution": 160, "job__test_resolution": 224}
    found = beside(report(**TRAINED | at | {"protocol__resolution": "224 px, trained at 160 px"}))
    assert differences(found[0]) == {"resolution": ("224 px", "224 px, trained at 160 px")}


def test_a_part_of_a_dataset_is_compared_and_says_so():
    part = {
        "job__dataset": "sop@subset(classes=20,seed=0)",
        "protocol__split": "subset(classes=20,seed=0) of: official",
    }
    paper, _ = beside(report(**SOP | part, marks=["subset"]))
    assert differences(paper) == {"split": ("official", "subset(classes=20,seed=0) of: official")}


def test_a_part_is_told_where_the_source_says_nothing_of_its_split():
    part = {
        "job__dataset": "sop@subset(classes=20,seed=0)",
        "job__backbone": "resnet50",
        "job__dims": 2048,
        "job__loss": "nsoftmax",
        "job__pooling": "gem",
        "protocol__split": "subset(classes=20,seed=0) of: official",
    }
    found = beside(report(**TRAINED | part, marks=["subset"]))
    assert [one.table for one in found] == ["irt-table4", "irt-table2", "nsoftmax"]
    assert differences(found[1])["split"] == ("unsaid", "subset(classes=20,seed=0) of: official")


def test_a_choice_on_the_test_images_is_a_difference_though_no_source_tells_its_own():
    said = "test-selected: the best checkpoint on the evaluated images"
    found = beside(report(**TRAINED | {"protocol__selection": said}, marks=["test-selected"]))
    assert differences(found[0]) == {"selection": ("unsaid", said)}


def test_landmarks_are_compared_by_crop_and_square():
    paper, *_ = beside(report(**LANDMARKS), metric="map_hard")
    assert (paper.text, paper.table, differences(paper)) == ("11.4", "irt-table3", {})
    assert paper.unsaid == ("query_crop", "selection")
    assert paper.note == "; ".join(notes_of(["irt-table6"]))  # the same two, of margin and faces
    long = LANDMARKS | {"protocol__transform": "resize long side to size, aspect kept"}
    paper, *_ = beside(report(**long), metric="map_hard")
    assert differences(paper) == {
        "transform": ("squash to size x size", "resize long side to size, aspect kept")
    }


def test_reduced_descriptors_are_matched_by_dims_and_the_set_of_their_fit():
    reduced = LANDMARKS | {
        "job__backbone": "deit_s_distilled",
        "job__dims": 128,
        "job__projection": "pca",
        "protocol__projection": "pca",
        "protocol__projection_fit": "training split of SfM-120k (91,642 images, 1234abcd)",
    }
    (paper,) = beside(report(**reduced), metric="map_medium")
    assert (paper.text, paper.row, differences(paper)) == ("32.1", "224 DeiT-S† CLS", {})
    other = reduced | {"protocol__projection_fit": "training split of SOP (59,551 images, 1)"}
    (paper,) = beside(report(**other), metric="map_medium")
    assert differences(paper) == {
        "projection_fit": (
            "training split of SfM-120k…",
            "training split of SOP (59,551 images, 1)",
        )
    }


def test_others_conventions_are_told_beside_their_numbers():
    shelf = {
        **LANDMARKS,
        "job__backbone": "dino_s16",
        "job__loss": "none",
        "job__train": None,
        "job__recipe": None,
        "protocol__selection": "not trained",
        "protocol__recipe": "not trained",
    }
    (dino,) = beside(report(**shelf), metric="map_medium")
    assert (dino.text, dino.confidence) == ("41.8", "second-hand")
    assert differences(dino) == {
        "transform": ("shrink long side to size, …", "squash to size x size"),
        "query_crop": ("none", "to bbx in native pixels, before resizing"),
    }
    assert "crops no queries" in dino.note


def test_a_twin_has_the_numbers_of_its_real_dataset_and_always_says_so():
    twin = {
        "job__dataset": "twin-sop",
        "job__weights": "scratch",
        "job__train": "twins",
        "job__resolution": 64,
        "protocol__resolution": "64 px",
        "protocol__recipe": "twin",
        "protocol__split": "twin: drawn, with lists in the real dataset's layout",
    }
    found = beside(report(**TRAINED | twin, marks=["twin"]))
    assert {one.text for one in found[:3]} == {"84.0"}
    assert differences(found[0]) == {
        "images": ("real", "drawn by code (twin)"),
        "weights": ("pretrained", "scratch"),
        "resolution": ("224", "64"),
        "train": ("own", "twins"),
        "recipe": ("irt-sop", "twin"),
    }
    real = beside(report(**SOP))[0]
    twin = beside(report(**SOP | {"job__dataset": "twin-sop"}))[0]
    assert twin.differences == (Difference("images", "real", "drawn by code (twin)"),)
    assert (twin.text, twin.unsaid) == (real.text, real.unsaid)


@pytest.mark.parametrize(
    ("change", "published"),
    [
        ({"job__backbone": "deit_b"}, set()),
        ({"job__pooling": "avg"}, set()),
        ({"job__loss": "contrastive(beta=0.3)"}, {"82.5"}),
        ({"job__dims": 128, "job__projection": "pca"}, {"83.4"}),
        ({"job__dims": 128, "job__projection": "linear"}, set()),
        ({"job__weights": "scratch"}, set()),
        ({"job__resolution": 384}, set()),
        ({"job__test_resolution": 384}, set()),
        ({"job__train": "cub"}, set()),
        ({"job__dataset": "cars196"}, set()),
        ({"job__dataset": "sop+r1m"}, set()),
        ({"job__dataset": "folder:/photos/sop"}, set()),
    ],
)
def test_another_variant_or_other_real_images_have_other_numbers_or_none(change, published):
    assert {one.text for one in beside(report(**TRAINED))} == {"84.0", "82.67"}
    assert {one.text for one in beside(report(**TRAINED | change))} == published


def test_a_metric_that_nobody_published_has_no_number():
    assert beside(report(**SOP), metric="map@r") == []


def test_weights_from_a_file_may_be_the_same_and_are_told():
    found = beside(report(**SOP | {"job__weights": "dir:/w"}))
    assert differences(found[0]) == {"weights": ("pretrained", "dir:/w")}


def test_a_cost_is_matched_by_network_and_resolution_and_no_image_matters():
    (flops,) = beside(report(**SOP | {"job__dataset": "twin-cub"}), metric="gflops")
    assert (flops.text, flops.differences, flops.unsaid) == ("8.4", (), ())
    (size,) = beside(report(**SOP | {"job__backbone": "resnet101"}), metric="params_m")
    assert size.value == 46
    assert "42.50" in size.note
    assert {"params_m", "gflops"} == set(COSTS)


def test_what_seeds_say_differently_is_joined():
    first = report(**TRAINED)
    second = report("kk", **TRAINED | {"job__seed": 1, "protocol__recipe": "irt-sop(lr=1e-05)"})
    found = beside(first, second)[0]
    assert differences(found) == {"recipe": ("irt-sop", "irt-sop / irt-sop(lr=1e-05)")}


def test_a_number_is_explained_in_a_line():
    paper, _ = beside(report(**SOP | {"job__weights": "file:/w.pth"}))
    assert explain(paper) == (
        "52.8: IRT_O, arXiv 2102.05644 Table 3 (read); not measured alike: "
        "weights (pretrained / file:/w.pth); unsaid: transform, scales"
    )


def test_competitors_are_systems_not_ablations():
    found = competitors(["roxford", "rparis"], ["map_medium"])
    assert {"irt-table8", "dinov2-table9", "dir-readme"} <= set(found["table"])
    assert not set(found["table"]) & {"irt-table3", "irt-table6", "irt-table7", "irt-table9"}
    assert set(found["metric"]) == {"map_medium"}
    assert set(found["dataset"]) == {"roxford", "rparis"}
    assert {"AP-GeM (R50, 2048)", "SOLAR (R101, 2048)"} <= set(found["system"])


def test_competitors_of_named_tables_are_those_of_the_tables():
    found = competitors(["cub"], ["r@1"], ["irt-table2"])
    assert list(found["text"][:3]) == ["57.5", "60.6", "56.0"]
    assert len(found) == 20 - 2  # FastAP and one XBM have none on CUB
    assert set(competitors(["sop"], ["r@1"], ["irt-table5"])["table"]) == {"irt-table5"}


def test_a_system_is_named_by_what_is_known_of_it():
    found = competitors(["sop", "rparis"], ["r@1", "map_hard"])
    assert {"LOCORE", "CGD (R50)", "SuperGlobal (2048)"} <= set(found["system"])


def test_the_papers_inconsistencies_are_notes():
    notes = notes_of(["irt-table3"])
    assert "IRT_L, CUB: 74.2 in Table 3, 74.4 in Table 9" in notes
    assert "IRT_L, In-Shop: 90.3 in Table 3, 90.4 in Table 9" in notes
    assert any("72,712" in note and "52,712" in note for note in notes)
    assert len(set(notes)) == len(notes)
    table2 = " ".join(notes_of(["irt-table2"]))
    assert all(name in table2 for name in ("SoftTriple, SOP", "MIC", "HTL", "Margin", "ABE"))
    assert "46M" in " ".join(notes_of(["irt-table1"]))
    assert notes_of([]) == []


def test_an_unknown_table_is_named_with_the_nearest():
    for ask in (lambda names: notes_of(names), lambda names: competitors([], [], names)):
        with pytest.raises(ResultsError, match="'irt-table10'; did you mean 'irt-table1'"):
            ask(["irt-table10"])
