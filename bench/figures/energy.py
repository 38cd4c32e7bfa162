"""Cumulative energy of descriptors' principal components: the paper's figures 2 and 3.

Legend: N images, D dims.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.delta.similarities import Doubles, Floats
from bench.figures.content import Content, notes_of, signs_of, titles
from bench.figures.stored import Folders
from bench.figures.variants import Report, Variant, variants
from results.plotting.curves import Curve, lines_figure
from results.plotting.style import Scale
from results.table import Table

if TYPE_CHECKING:
    import pandas as pd

ROWS = 8192
"""Descriptors in float64 at once."""
COMPONENTS = (1, 8, 32, 128, 512)
SHARES = (0.5, 0.9, 0.95)
"""Of the energy, whose components the table counts."""
NOTE = (
    "energy: share of the variance of the evaluated images' unit descriptors (eigenvalues of their "
    "covariance) in the first components; seeds are averaged"
)


def energy_content(
    reports: Sequence[Report], frame: pd.DataFrame, folders: Folders, *, log2: bool
) -> Content:
    """Tell how many components the descriptors of each variant fill.

    log2: on the logarithmic axis of figure 3, from 0; else figure 2's.
    """
    import pandas as pd

    folders.require_descriptors(reports)
    shown = variants(reports)
    energies = [_mean_energy(variant, folders) for variant in shown]
    points = pd.concat(
        [
            pd.DataFrame(
                {
                    "variant": variant.label,
                    "component": np.arange(1, len(energy) + 1),
                    "energy": energy,
                }
            )
            for variant, energy in zip(shown, energies, strict=True)
        ],
        ignore_index=True,
    )
    curves = [
        Curve(variant.label, np.arange(1.0, len(energy) + 1), energy)
        for variant, energy in zip(shown, energies, strict=True)
    ]
    most = max(len(energy) for energy in energies)
    x = Scale(f"principal components ({titles(frame)})", (1, most), log2=log2)
    y = Scale("cumulative energy", (0.0, 1.02) if log2 else None)
    table = _table(shown, energies, notes_of(frame, [NOTE]))
    return Content(table, points, partial(lines_figure, curves, x, y))


def _mean_energy(variant: Variant, folders: Folders) -> Doubles:
    found: Doubles = np.mean(
        [cumulative_energy(folders.descriptors(report)) for report in variant.reports], axis=0
    )
    return found


def _table(shown: Sequence[Variant], energies: Sequence[Doubles], notes: list[str]) -> Table:
    import pandas as pd

    asked = [k for k in COMPONENTS if k < max(map(len, energies))]
    over = [*[""] * 2, *["energy (%) in"] * len(asked), *["components for"] * len(SHARES)]
    below = [*(str(k) for k in asked), *(f"{100 * share:.0f} %" for share in SHARES)]
    headers = ["variant", "dims", *(" ".join(pair) for pair in zip(over[2:], below, strict=True))]
    numbers = [
        [
            len(energy),
            *(100 * energy[k - 1] if k <= len(energy) else np.nan for k in asked),
            *(components_for(energy, share) for share in SHARES),
        ]
        for energy in energies
    ]
    body = [
        [variant.label + signs_of(variant), *map(_text, row)]
        for variant, row in zip(shown, numbers, strict=True)
    ]
    frame = pd.DataFrame(numbers, columns=headers[1:])
    frame.insert(0, headers[0], [variant.label for variant in shown])
    return Table(headers, body, frame, notes, list(map(signs_of, shown)), over)


def _text(value: float | None) -> str:
    if value is None or value != value:
        return "--"
    return str(value) if isinstance(value, int) else f"{value:.1f}"


def cumulative_energy(descriptors: Floats) -> Doubles:
    """(N, D) unit descriptors -> (D,) share of their variance in the first 1 … D components.

    Of the covariance's eigenvalues, in float64. Rows of zeros, images that could not be read, do
    not count. NaN where the descriptors are one point, or there is none.
    """
    variances = np.linalg.eigvalsh(_scatter(descriptors))[::-1].clip(min=0.0)
    energies = np.cumsum(variances)
    # what is left of one point is rounding: its variance is no one's
    if not energies[-1] > 1e-12 * len(descriptors):
        return np.full(len(energies), np.nan)
    found: Doubles = energies / energies[-1]
    return found


def components_for(energy: Doubles, share: float) -> int | None:
    """Count the components that hold this share of the energy; None where there is no energy."""
    return None if np.isnan(energy[-1]) else int(np.searchsorted(energy, share) + 1)


def _scatter(descriptors: Floats) -> Doubles:
    """(D, D) sum of the outer products of the descriptors less their mean, block by block."""
    total = np.zeros(descriptors.shape[1])
    products = np.zeros((descriptors.shape[1],) * 2)
    count = 0
    for start in range(0, len(descriptors), ROWS):
        rows = descriptors[start : start + ROWS].astype(np.float64)
        total += rows.sum(axis=0)
        count += int(np.any(rows, axis=1).sum())
        products += rows.T @ rows
    return products - np.outer(total, total) / max(1, count)
