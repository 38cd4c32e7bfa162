"""The rule of exactness: descriptors lie on a grid, so similarities are whole numbers.

Entries are multiples of 2^-26 (float32's own step at 1/4). Products of two are multiples of 2^-52,
and float64 adds multiples of 2^-52 below 2 without rounding, in any order: with unit vectors, by
Cauchy-Schwarz, every partial sum is. So a float64 similarity is exact; a tie is equality, whatever
the blocks, the threads, the device or the order of the images.

A float32 similarity is off by at most `rounding_bound`. It decides wherever that cannot change a
count; the other pairs are computed again in float64.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from registry.errors import WorkError

Floats = npt.NDArray[np.float32]
STEPS = 2.0**26
NORM_TOLERANCE = 1e-3
ROWS_CHECKED = 1 << 14


def on_grid(vectors: npt.NDArray[np.floating]) -> Floats:
    """Round to multiples of 2^-26: float32 entries move by up to 2^-27, others by 2^-25."""
    return (np.rint(vectors.astype(np.float64) * STEPS) / STEPS).astype(np.float32)


def rounding_bound(dims: int) -> float:
    """Largest error of a float32 inner product of two unit vectors, in any order of summation.

    gamma_D |a||b|, gamma_D = D u / (1 - D u), u = 2^-24 (Higham 2002, section 3.1); the norms may
    be off by `NORM_TOLERANCE`. The last term covers comparing in float64.
    """
    units = dims * 2.0**-24
    return units / (1 - units) * (1 + NORM_TOLERANCE) ** 2 + 2.0**-50


def check_vectors(vectors: Floats, what: str = "descriptors") -> None:
    """Raise WorkError unless these are (N, D) float32 unit vectors (or zeros) on the grid.

    A zero vector stands for an image about which a network says nothing: 0 is its similarity to
    everything, itself included.
    """
    check_form(vectors, what)
    for start in range(0, len(vectors), ROWS_CHECKED):
        _check_rows(vectors[start : start + ROWS_CHECKED], start, what)


def check_form(vectors: Floats, what: str, dims: int | None = None) -> None:
    """Raise WorkError unless these are (N, D) float32, D as given, whatever they hold."""
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise WorkError(f"{what} of shape {vectors.shape}: give a row per image, (N, D)")
    if vectors.dtype != np.float32:
        raise WorkError(f"{what} are {vectors.dtype}: give float32 (bench.exact.grid.on_grid)")
    if dims is not None and vectors.shape[1] != dims:
        raise WorkError(
            f"{what} have {vectors.shape[1]} dims, others {dims}: all must come from one model "
            "and projection"
        )


def _check_rows(rows: Floats, start: int, what: str) -> None:
    squares = np.einsum("nd,nd->n", rows, rows)
    wrong = ~((np.abs(squares - 1) <= 2 * NORM_TOLERANCE) | (squares == 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        norm = float(np.sqrt(squares[row]))
        problem = f"has norm {norm:.4g}" if np.isfinite(norm) else "holds no numbers"
        raise WorkError(
            f"{what}: row {start + row} {problem}, and {int(wrong.sum()) - 1} more rows near it "
            "are no unit vectors: normalise them (bench.stages.descriptors.unit)"
        )
    scaled = rows * np.float32(STEPS)
    if not np.array_equal(scaled, np.rint(scaled)):
        raise WorkError(
            f"{what} are not rounded to multiples of 2^-26, as exact scoring needs: "
            "bench.exact.grid.on_grid does that"
        )
