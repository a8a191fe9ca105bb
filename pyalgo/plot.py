"""Line plots as SVG, for pages that must stand alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

__all__ = ["Line", "human", "line_plot", "ticks"]

Points = Sequence[tuple[float, float]]

_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 10, 36
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


class Line(NamedTuple):
    """A named line; points with values that are not finite are left out."""

    name: str
    points: Points


def line_plot(
    lines: Sequence[Line], *, x: str, y: str, width: int = 640, height: int = 240, filled: bool = False
) -> str:
    """An ``<svg>`` of up to four lines, with axes, units and a title for those who do not see it.

    Colours come from the page: classes ``line-0`` to ``line-3``, ``band`` for what lies between the first two lines if
    `filled`, ``grid`` and ``axis``. The vertical axis begins at 0 unless values are negative.
    """
    kept = [Line(name, [(a, b) for a, b in points if math.isfinite(a) and math.isfinite(b)]) for name, points in lines]
    places = [point for line in kept for point in line.points]
    if not places:
        return f'<p class="empty">No finite values of {escape(y)} to plot.</p>'
    across, up = [a for a, _ in places], [b for _, b in places]
    xs, ys = ticks(min(across), max(across)), ticks(min(0.0, *up), max(up))

    def at(point: tuple[float, float]) -> str:
        across = (point[0] - xs[0]) / (xs[-1] - xs[0])
        up = (point[1] - ys[0]) / (ys[-1] - ys[0])
        return (
            f"{_LEFT + across * (width - _LEFT - _RIGHT):.1f},{height - _BOTTOM - up * (height - _TOP - _BOTTOM):.1f}"
        )

    title = f"{', '.join(line.name for line in kept)} over {x}"
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img"><title>{escape(title)}</title>']
    for value in ys:
        left, right = at((xs[0], value)), at((xs[-1], value))
        parts.append(f'<path class="grid" d="M{left}L{right}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{float(left.split(",")[1]) + 4:.1f}" text-anchor="end">{human(value)}</text>'
        )
    for value in xs:
        place = at((value, ys[0])).split(",")[0]
        parts.append(f'<text x="{place}" y="{height - _BOTTOM + 16}" text-anchor="middle">{human(value)}</text>')
    parts.append(f'<path class="axis" d="M{at((xs[0], ys[0]))}L{at((xs[-1], ys[0]))}"/>')
    parts.append(f'<text class="label" x="{width - _RIGHT}" y="{height - 4}" text-anchor="end">{escape(x)}</text>')
    if filled and len(kept) > 1 and kept[0].points and kept[1].points:
        outline = "L".join(at(point) for point in (*kept[0].points, *reversed(kept[1].points)))
        parts.append(f'<path class="band" d="M{outline}Z"/>')
    for n, line in enumerate(kept[:4]):
        if len(line.points) == 1:
            cx, cy = at(line.points[0]).split(",")
            parts.append(f'<circle class="line-{n}" cx="{cx}" cy="{cy}" r="3"/>')
        elif line.points:
            parts.append(f'<path class="line-{n}" d="M{"L".join(at(point) for point in line.points)}"/>')
    return "".join(parts) + "</svg>"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers, evenly spaced, from at most `low` to at least `high`."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    step = 10.0 ** math.floor(math.log10((high - low) / about))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def human(value: float) -> str:
    """A number in few signs: 1.5k, 20M, 0.25."""
    for size, prefix in _PREFIXES:
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.3g}"
