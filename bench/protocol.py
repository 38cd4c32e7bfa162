"""Protocol: how a number was measured, compared by the fields of its card.

The signature says a card in one line of tokens, to be quoted beside a number. The fingerprint
leaves out what a comparison varies (backbone, pooling, dims ...): two numbers with one fingerprint
were measured the same way on the same images.
"""

from __future__ import annotations

from bench.card import Card
from bench.identity import digest

TOKENS = {
    "data": "{dataset}@{dataset_fingerprint}",
    "split": "{split}",
    "T": "{transform}",
    "crop": "{query_crop}",
    "exif": "{exif_orientation}",
    "px": "{resolution}",
    "interp": "{interpolation}",
    "scales": "{scales}",
    "pool": "{pooling}",
    "proj": "{projection}",
    "fit": "{projection_fit}",
    "dtype": "{feature_dtype}/{search_dtype}",
    "sim": "{similarity}",
    "metric": "{metrics}",
    "K": "{ks}",
    "ties": "{ties}",
    "self": "{self_match}",
    "dup": "{duplicates}",
    "bad": "{bad_images}",
    "loss": "{loss}",
    "recipe": "{recipe}",
    "select": "{selection}",
    "v": "{versions}/{row_versions}",
}
"""The signature: its tokens, and the fields that each is made of. None is left out as usual."""

TOLD_ELSEWHERE = {"twin": "split", "transductive": "projection_fit"}
"""Fields that need no token, since another's tells."""

NO_PART_OF_A_NUMBER = ("dataset_verified",)
"""Fields of the card alone: the doctor may look long after a number was measured."""

VARIED = (
    *NO_PART_OF_A_NUMBER,
    "pooling",
    "projection",
    "projection_fit",
    "resolution",
    "transform",
    "query_crop",
    "interpolation",
    "loss",
    "recipe",
    "selection",
    "row_versions",
)
"""Fields that axes vary, or that change no number: on the card, not part of the fingerprint."""


def texts(card: Card) -> dict[str, str]:
    """The card as reports hold it."""
    return {name: said.text for name, said in card.items()}


def signature(card: Card) -> str:
    """Say the card in one line: name:value, joined by |."""
    shorts = {name: said.short for name, said in card.items()}
    return "|".join(f"{name}:{form.format_map(shorts)}" for name, form in TOKENS.items())


def compared_fields(card: Card) -> list[str]:
    """Fields that must agree in one column of a table."""
    return sorted(set(card) - set(VARIED))


def fingerprint(card: Card) -> str:
    """Hash the fields that must agree into eight hexadecimal digits."""
    return digest({name: card[name].text for name in compared_fields(card)})[:8]
