"""Plots over methods and cases, drawn without a display."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACCENT, _OTHER, _GRID = "#0b6e8e", "#8fa3b3", "#dde4ea"


def new_figure(width: float, height: float) -> "Figure":
    """A white figure, sizes in inches; no window system is touched."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="white", layout="constrained")


def box_plot(values: Mapping[str, Sequence[float]], label: str, own: Sequence[str]) -> "Figure":
    """One box a method with every case as a dot, methods from top to bottom; ``own`` stand out."""
    names = list(values)
    figure = new_figure(9.0, 0.9 + 0.46 * len(names))
    axes = figure.subplots()
    positions = np.arange(len(names))[::-1]
    boxes = axes.boxplot(
        [values[name] for name in names],
        positions=positions,
        orientation="horizontal",
        widths=0.55,
        showfliers=False,
        patch_artist=True,
        medianprops={"color": "#1c2733"},
    )
    jitter = np.random.default_rng(0)
    for name, box, position in zip(names, boxes["boxes"], positions, strict=True):
        color = _ACCENT if name in own else _OTHER
        box.set(facecolor=color, alpha=0.35, edgecolor=color)
        offsets = position + jitter.uniform(-0.17, 0.17, len(values[name]))
        axes.plot(values[name], offsets, "o", markersize=3.4, color=color, alpha=0.75)
    axes.set_yticks(positions, names)
    axes.set_xlim(left=0)
    _tidy(axes, label)
    return figure


def time_error_plot(
    points: Mapping[str, tuple[float, float]], error_label: str, own: Sequence[str]
) -> "Figure":
    """Mean error against mean wall time (logarithmic), one dot a method; lower left is better."""
    figure = new_figure(9.0, 4.2)
    axes = figure.subplots()
    for name, point in points.items():
        color = _ACCENT if name in own else _OTHER
        axes.plot(*point, "o", markersize=9, color=color)
        # Neighbours in time may lie close together: their names go apart, the better one's down.
        others = [other for other in points.values() if other != point]
        beside = min(others, key=lambda other: abs(math.log(other[0] / point[0])), default=point)
        place, side = ((8, 5), "left") if point[1] >= beside[1] else ((-8, -13), "right")
        axes.annotate(name, point, place, textcoords="offset points", fontsize=9, ha=side)
    axes.set_xscale("log")
    axes.margins(x=0.18, y=0.12)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(error_label)
    _tidy(axes, "wall time a pair, s")
    return figure


def _tidy(axes: "Axes", label: str) -> None:
    axes.set_xlabel(label)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
