"""Pictures drawn by code: a class is a Look, an image is that look in a random Scene.

A look is two saturated colours, an outline and a pattern. The scene hides it behind what a
descriptor must ignore: place, size, rotation, a grey background with clutter, uneven and strong
light, noise. So raw pixels and random networks do badly, a trained one well, none perfectly.

Legend: H x W pixels; x, y in [-1, 1] across the shorter side.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from registry.datasets.split import Box

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rng = np.random.Generator
Kind = Literal["product", "bird", "garment", "landmark"]

VERSION = 1
"""Raise it when any picture changes: it is part of every twin's identity."""


@dataclass(frozen=True)
class Style:
    """How much the scenes of one kind of picture vary."""

    turn: float
    """Largest rotation in radians."""
    shift: float
    """Largest offset from the centre."""
    size: tuple[float, float]
    clutter: int
    """Grey discs behind the object."""
    mirrored: bool = True
    """Whether it is flipped at random, in both directions: pixels change places, colours do not."""


STYLES: dict[Kind, Style] = {
    "product": Style(turn=0.25, shift=0.1, size=(0.8, 1.0), clutter=1),
    "bird": Style(turn=0.6, shift=0.2, size=(0.6, 0.95), clutter=4),
    "garment": Style(turn=0.2, shift=0.08, size=(0.75, 1.0), clutter=0),
    "landmark": Style(turn=0.1, shift=0.2, size=(0.35, 1.1), clutter=3, mirrored=False),
}


@dataclass(frozen=True)
class Look:
    """What all images of a class share."""

    kind: Kind
    colours: tuple[Array, Array]
    lobes: int
    depth: float
    """How deep the outline's lobes are cut, as a share of the radius."""
    pattern: int
    frequency: float


@dataclass(frozen=True)
class Picture:
    """An image and how much of it the object fills."""

    pixels: npt.NDArray[np.uint8]
    """(H, W, 3)."""
    visible: float
    """Share of the pixels that show the object, unoccluded."""
    box: Box
    """Around the visible object."""


def look(kind: Kind, rng: Rng) -> Look:
    """Draw a class. Birds share one outline: they differ in colours and markings only."""
    hues, saturations, values = (
        rng.random(2),
        rng.uniform(0.6, 1, 2),
        rng.uniform(0.45, 1, 2),
    )
    lobes, depth = int(rng.integers(2, 6)), float(rng.uniform(0.1, 0.45))
    if kind == "bird":
        lobes, depth = 2, 0.25
    return Look(
        kind=kind,
        colours=(
            _colour(hues[0], saturations[0], values[0]),
            _colour(hues[1], saturations[1], values[1]),
        ),
        lobes=lobes,
        depth=depth,
        pattern=int(rng.integers(0, 3)),
        frequency=float(rng.uniform(2, 5)),
    )


def picture(subject: Look, rng: Rng, *, width: int, height: int) -> Picture:
    """Draw one image of a class."""
    style = STYLES[subject.kind]
    y, x = np.mgrid[0:height, 0:width] / (min(width, height) / 2)
    x, y = x - x.max() / 2, y - y.max() / 2
    canvas = _background(rng, x, y, clutter=style.clutter)
    u, v = _placed(rng, x, y, style)
    inside = _outline(subject, u, v)
    canvas = np.where(inside[..., None], _surface(subject, u, v), canvas)
    if subject.kind == "landmark":
        hidden = _occluder(rng, x, y)
        canvas = np.where(hidden[..., None], _grey(rng), canvas)
        inside &= ~hidden
    canvas = canvas * _light(rng, x, y)[..., None] + rng.normal(0, 0.04, canvas.shape)
    pixels = (np.clip(canvas, 0, 1) * 255).astype(np.uint8)
    return Picture(pixels=pixels, visible=float(inside.mean()), box=_box(inside))


def _colour(hue: float, saturation: float, value: float) -> Array:
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def _grey(rng: Rng) -> Array:
    return _colour(rng.random(), rng.uniform(0, 0.3), rng.uniform(0.1, 1))


def _background(rng: Rng, x: Array, y: Array, *, clutter: int) -> Array:
    angle = rng.uniform(0, 2 * np.pi)
    blend = ((np.cos(angle) * x + np.sin(angle) * y) / 2.8 + 0.5)[..., None]
    canvas: Array = _grey(rng) * (1 - blend) + _grey(rng) * blend
    for _ in range(clutter):
        cx, cy, radius = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.1, 0.35)
        disc = (x - cx) ** 2 + (y - cy) ** 2 < radius**2
        canvas = np.where(disc[..., None], _grey(rng), canvas)
    return canvas


def _placed(rng: Rng, x: Array, y: Array, style: Style) -> tuple[Array, Array]:
    """Coordinates in which the object is centred, upright and of radius 1."""
    cx, cy = rng.uniform(-style.shift, style.shift, 2)
    size, turn = rng.uniform(*style.size), rng.uniform(-style.turn, style.turn)
    u, v = (x - cx) / size, (y - cy) / size
    if style.mirrored:
        u, v = u * rng.choice([-1, 1]), v * rng.choice([-1, 1])
    return np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u


def _outline(subject: Look, u: Array, v: Array) -> Mask:
    if subject.kind == "landmark":  # a block with a tower whose place and width tell it apart
        tower = np.abs(u - subject.depth) < 0.1 * subject.lobes
        return (np.abs(u) < 0.9) & (v < 0.8) & ((v > -0.2) | (tower & (v > -0.95)))
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    inside: Mask = radius < 1 - subject.depth + subject.depth * np.cos(subject.lobes * angle)
    return inside


def _surface(subject: Look, u: Array, v: Array) -> Array:
    patterns = (
        lambda: np.sin(subject.frequency * np.pi * u) > 0,
        lambda: np.hypot(u, v) < 0.55,
        lambda: v > 0,
    )
    first, second = subject.colours
    return np.where(patterns[subject.pattern]()[..., None], first, second)


def _occluder(rng: Rng, x: Array, y: Array) -> Mask:
    """Trees and passers-by: a half-plane that covers none to most of the object."""
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 1.3)
    hidden: Mask = np.cos(angle) * x + np.sin(angle) * y > reach
    return hidden


def _light(rng: Rng, x: Array, y: Array) -> Array:
    angle, gain = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.4)
    light: Array = gain * (1 + 0.6 * (np.cos(angle) * x + np.sin(angle) * y))
    return light


def _box(inside: Mask) -> Box:
    rows, columns = (
        np.flatnonzero(inside.any(axis=1)),
        np.flatnonzero(inside.any(axis=0)),
    )
    if not len(rows):
        return (0.0, 0.0, 1.0, 1.0)
    return (
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] + 1),
        float(rows[-1] + 1),
    )
