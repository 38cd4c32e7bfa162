"""What trackers are told of: each training step by step, each finished cell in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from bench.identity import Model, Training, key_of, spec_of
from bench.tracking.tracker import Tracker, tracked


def track_training(
    model: Model, training: Training, tracker: Tracker
) -> AbstractContextManager[dict[str, float]]:
    """Make a run of a training; its key is the trained model's."""
    name = (
        f"training {model.backbone} {model.weights} {training.pooling} loss:{training.loss} "
        f"{model.resolution}px train:{training.train} {training.recipe} seed:{training.seed}"
    )
    config = flattened({**asdict(model), "spec": spec_of(model)})
    return tracked(tracker, key_of(model), name, config)


def final_values(log: Mapping[str, Any]) -> dict[str, float]:
    """Summarise what a training wrote down."""
    return {
        "loss": log["losses"][-1],
        "steps": len(log["losses"]),
        "images": log["images"],
        "skipped": len(log["skipped"]),
    }


def track_report(label: str, report: Mapping[str, Any], tracker: Tracker) -> None:
    """Make a run of a finished cell: its axes, then its metrics and costs."""
    numbers = flattened({**report["metrics"], "cost": report["cost"]})
    with tracked(tracker, report["key"], label, flattened(report["job"])) as summary:
        summary |= {
            name: value for name, value in numbers.items() if isinstance(value, int | float)
        }


def flattened(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Name what is within by its path: {"a": {"b": 1}} -> {"a.b": 1}."""
    return dict(_leaves(nested))


def _leaves(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
