"""The report's pictures: rows of slices in three planes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from jssr.hounsfield import AIR_HU
from jssr.labels import LABELS
from jssr.registration.body import BODY_THRESHOLD_HU
from jssr.report.planes import Plane
from jssr.spatial.jacobian import jacobian_determinant_on
from jssr.spatial.transform import SpatialTransform

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOFT_TISSUE_HU = (-140.0, 260.0)
DIFFERENCE_HU = (-150.0, 150.0)

_PALE_HU = (-400.0, 700.0)
"""A window so wide that lines stand out on it."""
_GRID_STEP_MM = 12.0
_LOG_JACOBIAN_LIMITS = (-0.7, 0.7)
_WIDTH, _MARGIN, _GAP, _TITLE_ROOM, _BAR_ROOM = 11.8, 0.15, 0.08, 0.36, 0.75
_BACK = "#0d1117"
_INK = "#e6edf3"


@dataclass(frozen=True)
class Strip:
    """One row of a picture: a title, and how it is drawn on one plane's axes."""

    title: str
    draw: "Callable[[Axes, Plane], object]"
    bar: str = ""


def strips_figure(strips: Sequence[Strip], planes: Sequence[Plane]) -> "Figure":
    """The strips below each other, one plane a column; a strip with a ``bar`` has a colour bar.

    Everything is placed in inches: a layout engine would take longer than drawing.
    """
    from matplotlib.figure import Figure

    heights, widths = zip(*(plane.shape for plane in planes), strict=True)
    bars = any(strip.bar for strip in strips)
    room = _WIDTH - 2 * _MARGIN - _GAP * (len(planes) - 1) - (_BAR_ROOM if bars else 0.0)
    scale = room / sum(widths)
    row_height = max(heights) * scale
    height = len(strips) * (row_height + _TITLE_ROOM) + _MARGIN
    figure = Figure(figsize=(_WIDTH, height), facecolor=_BACK)

    def place(left: float, bottom: float, width: float, tall: float) -> "Axes":
        return figure.add_axes((left / _WIDTH, bottom / height, width / _WIDTH, tall / height))

    for row, strip in enumerate(strips):
        bottom = height - (row + 1) * (row_height + _TITLE_ROOM)
        left, shown = _MARGIN, None
        for plane, width, tall in zip(planes, widths, heights, strict=True):
            # A plane that is lower than its row stands at the row's top, under the title.
            axes = place(left, bottom + row_height - tall * scale, width * scale, tall * scale)
            shown = strip.draw(axes, plane) or shown
            _dress(axes, plane)
            left += width * scale + _GAP
        title_height = (bottom + row_height + 0.09) / height
        figure.text(_MARGIN / _WIDTH, title_height, strip.title, color=_INK, fontsize=11)
        if strip.bar and shown is not None:
            axes = place(left + 0.02, bottom + 0.12 * row_height, 0.12, 0.76 * row_height)
            bar = figure.colorbar(shown, cax=axes)  # type: ignore[arg-type]
            bar.set_label(strip.bar, color=_INK, fontsize=9)
            axes.tick_params(colors=_INK, labelsize=8)
    return figure


def scan_strip(title: str, image: sitk.Image) -> Strip:
    """A scan in grey."""

    def draw(axes: "Axes", plane: Plane) -> None:
        _colored(axes, plane, plane.cut(image), "gray", SOFT_TISSUE_HU)

    return Strip(title, draw)


def difference_strip(title: str, image: sitk.Image, warped: sitk.Image | None) -> Strip:
    """Fixed minus warped, HU: blue below, red above zero; dark where there is no moving scan."""

    def draw(axes: "Axes", plane: Plane) -> object:
        values = plane.cut(image, 0.0)
        if warped is not None:
            values = np.where(plane.cut(warped) > AIR_HU, values, np.nan)
        return _colored(axes, plane, values, "RdBu_r", DIFFERENCE_HU)

    return Strip(title, draw, "HU")


def fusion_strip(title: str, fixed: sitk.Image, other: sitk.Image) -> Strip:
    """Fixed in green over the other in magenta: grey where both agree."""

    def draw(axes: "Axes", plane: Plane) -> None:
        green = _scaled(plane.cut(fixed), SOFT_TISSUE_HU)
        magenta = _scaled(plane.cut(other), SOFT_TISSUE_HU)
        axes.imshow(
            np.stack([magenta, green, magenta], axis=-1),
            extent=plane.extent_mm,
            interpolation="bilinear",
        )

    return Strip(title, draw)


def segmentation_strip(title: str, image: sitk.Image, labels: sitk.Image) -> Strip:
    """A scan with its labels, filled lightly and outlined."""

    def draw(axes: "Axes", plane: Plane) -> None:
        _colored(axes, plane, plane.cut(image), "gray", SOFT_TISSUE_HU)
        values = plane.cut_labels(labels)
        overlay = np.zeros((*values.shape, 4))
        for label in LABELS:
            inside = values == label.index
            if inside.any():
                color = np.array(label.color) / 255
                overlay[inside, :3] = color
                overlay[inside, 3] = 0.28
                overlay[inside & _outline(inside), 3] = 1.0
        axes.imshow(overlay, extent=plane.extent_mm, interpolation="nearest")

    return Strip(title, draw)


def grid_strip(title: str, background: sitk.Image, transform: SpatialTransform) -> Strip:
    """A regular grid over the fixed scan, moved by the deformation beyond the linear part."""

    def draw(axes: "Axes", plane: Plane) -> None:
        _colored(axes, plane, plane.cut(background), "gray", _PALE_HU)
        column, row = plane.axes
        points = plane.points_mm()
        moved = (points + transform.displacement_at(points)).reshape(*plane.shape, 3)
        step = max(1, round(_GRID_STEP_MM / plane.grid.spacing_mm[0]))
        style = {"color": "#f2b705", "linewidth": 0.7, "alpha": 0.9}
        for line in range(step // 2, plane.shape[0], step):
            axes.plot(moved[line, :, column], moved[line, :, row], **style)
        for line in range(step // 2, plane.shape[1], step):
            axes.plot(moved[:, line, column], moved[:, line, row], **style)

    return Strip(title, draw)


def magnitude_strip(title: str, fixed: sitk.Image, transform: SpatialTransform) -> Strip:
    """How far each fixed point is moved beyond the linear part, mm, with the body's outline."""
    field = transform.displacement_mm
    top = 1.0 if field is None else float(np.percentile(np.linalg.norm(field, axis=0), 99.8))

    def draw(axes: "Axes", plane: Plane) -> object:
        length = np.linalg.norm(transform.displacement_at(plane.points_mm()), axis=1)
        _body_outline(axes, plane, fixed)
        return _colored(axes, plane, length.reshape(plane.shape), "magma", (0.0, max(top, 1.0)))

    return Strip(title, draw, "mm")


def jacobian_strip(title: str, fixed: sitk.Image, transform: SpatialTransform) -> Strip | None:
    """log J: blue shrinks, red grows, yellow folds; ``None`` without a deformation."""
    if transform.displacement_mm is None or transform.grid is None:
        return None
    determinant = jacobian_determinant_on(transform.grid, transform.displacement_mm)
    image = transform.grid.image(determinant.astype(np.float32))

    def draw(axes: "Axes", plane: Plane) -> object:
        values = plane.cut(image, 1.0)
        logarithm = np.log(np.maximum(values, 1e-3))
        shown = _colored(axes, plane, logarithm, "RdBu_r", _LOG_JACOBIAN_LIMITS)
        folds = np.zeros((*values.shape, 4))
        folds[plane.cut(image, 1.0, sitk.sitkNearestNeighbor) <= 0] = (1.0, 0.85, 0.0, 1.0)
        axes.imshow(folds, extent=plane.extent_mm, interpolation="nearest")
        _body_outline(axes, plane, fixed)
        return shown

    return Strip(title, draw, "log J")


def _colored(
    axes: "Axes", plane: Plane, values: np.ndarray, colors: str, limits: tuple[float, float]
) -> object:
    low, high = limits
    return axes.imshow(
        values,
        cmap=colors,
        vmin=low,
        vmax=high,
        extent=plane.extent_mm,
        interpolation="bilinear",
    )


def _body_outline(axes: "Axes", plane: Plane, fixed: sitk.Image) -> None:
    inside = plane.cut(fixed) > BODY_THRESHOLD_HU
    overlay = np.zeros((*inside.shape, 4))
    overlay[inside & _outline(inside)] = (0.5, 0.5, 0.5, 0.8)
    axes.imshow(overlay, extent=plane.extent_mm, interpolation="nearest", zorder=3)


def _scaled(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    low, high = window
    return np.clip((np.maximum(values, AIR_HU) - low) / (high - low), 0.0, 1.0)


def _outline(inside: np.ndarray) -> np.ndarray:
    padded = np.pad(inside, 1, mode="edge")
    neighbours = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return ~neighbours


def _dress(axes: "Axes", plane: Plane) -> None:
    left, right, bottom, top = plane.extent_mm
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], facecolor="black")
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_visible(False)
    style = {
        "transform": axes.transAxes,
        "color": "#9fb3c8",
        "fontsize": 8,
        "ha": "center",
        "va": "center",
    }
    places = ((0.025, 0.5), (0.975, 0.5), (0.5, 0.965), (0.5, 0.035))
    for (x, y), letter in zip(places, plane.edges, strict=True):
        axes.text(x, y, letter, **style)
