"""Looks at a training while it goes on: descriptors without chance, Recall@1, what is told."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import partial

import numpy as np
import torch

from bench.exact.grid import Floats
from bench.images import ImageSource
from bench.train.images import Validation
from bench.train.state import State
from bench.train.statistics import pair_statistics
from bench.train.step import Step, embed
from bench.train.validation import embed_images, recall_at_1
from registry.datasets.split import Positions


def embed_plain(state: State, source: ImageSource, positions: Positions, batch: int) -> Floats:
    """Embed images by the network as it is, without augmentation: (N, D) float32.

    Of several processes each embeds its part.
    """
    own = positions[state.group.part(len(positions))]
    rows = embed_images(
        state.network, partial(embed, state), source, own, batch=batch, device=state.device
    )
    placed = torch.from_numpy(rows).to(state.device)
    return state.group.gather(placed, len(positions)).cpu().numpy()


def validate(state: State, validation: Validation, batch: int) -> float:
    """Recall@1 of the weights that would be kept now."""
    positions = np.union1d(validation.queries, validation.gallery)
    with state.average.applied() if state.average else nullcontext():
        descriptors = embed_plain(state, validation.source, positions, batch)
    labels = validation.source.images.labels[positions]
    places = (np.searchsorted(positions, part) for part in (validation.queries, validation.gallery))
    queries, gallery = places
    return recall_at_1(descriptors, labels, queries=queries, gallery=gallery, device=state.device)


def select(state: State, validation: Validation | None, step: int, steps: int, batch: int) -> None:
    """Look at the checkpoint after a step, where it is time, and keep it if it is the best."""
    if validation is None or not state.selection.due(step, steps):
        return
    value = validate(state, validation, batch)
    with state.average.applied() if state.average else nullcontext():
        state.selection.see(step, value, state.network)


class Watch:
    """What is told of each step."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._since = time.monotonic()
        self._seconds = 0.0

    def stop(self) -> None:
        """Say that the step is done: a look at others is none of its time."""
        self._seconds = time.monotonic() - self._since

    def values(self, done: Step, rate: float) -> dict[str, float]:
        """Loss and its terms, what is seen of the batch, Recall@1, rate, images per second."""
        state, step = self._state, len(self._state.losses)
        found = {"loss": state.losses[-1], "lr": rate}
        if len(done.terms) > 1:
            found |= {f"loss.{name}": float(term) for name, term in done.terms.items()}
        found |= pair_statistics(done.batch, state.objective.margin)
        if done.gradient_nuclear_norm is not None:
            found["gradient_nuclear_norm"] = float(done.gradient_nuclear_norm)
        rank = state.collapse.see(step, done.batch.descriptors)
        found |= {} if rank is None else {"effective_rank": rank}
        curve = state.selection.curve
        shown = "test" if state.selection.how == "test" else "validation"
        found |= {f"{shown}_r@1": curve[-1][1]} if curve and curve[-1][0] == step else {}
        if state.precision.name == "fp16":
            found["skipped_steps"] = float(state.precision.skipped)
        found["images_per_second"] = len(done.batch.labels) / max(self._seconds, 1e-9)
        self._since = time.monotonic()
        return found


def said(values: dict[str, float], state: State) -> str:
    """Say the last values in a few words, for the terminal."""
    words = [f"loss {values['loss']:.3g}"]
    for name, short in (("positive_similarity", "pos"), ("negative_similarity", "neg")):
        words += [f"{short} {values[name]:.2f}"] if name in values else []
    curve = state.selection.curve
    shown = "test" if state.selection.how == "test" else "validation"
    words += [f"{shown} R@1 {100 * curve[-1][1]:.1f}"] if curve else []
    return " · ".join(words)
