"""What the scanner adds: blur, slice thickness, noise, streaks, field of view."""

import math

import torch
from torch import Tensor

from jssr.hounsfield import AIR_HU
from jssr.phantom.draw import Draw, smooth_noise
from jssr.phantom.options import PairOptions
from jssr.spatial.fields import smooth_along


def scan(clean_hu: Tensor, spacing_mm: float, draw: Draw, options: PairOptions) -> Tensor:
    """A scan (z, y, x) of clean anatomy as a scanner would show it, rounded to whole HU."""
    image = clean_hu[None, None]
    if options.blur:
        across = draw.uniform(0.3, 0.8)
        along = math.sqrt(across**2 + (draw.choice([0.6, 1.0, 2.5, 5.0]) / 2.8) ** 2)
        image = smooth_along(image, [sigma / spacing_mm for sigma in (along, across, across)])
    image = image[0, 0].clone()
    if options.noise > 0:
        image += _noise(clean_hu, spacing_mm, draw) * options.noise
    if draw.chance(0.25 * options.artefacts):
        image += _streaks(clean_hu, draw)
    if draw.chance(0.3 * options.artefacts):
        image += _hardening(clean_hu, draw)
    return image.round_().clamp_(AIR_HU, 3071.0)


def _noise(clean: Tensor, spacing_mm: float, draw: Draw) -> Tensor:
    """Correlated noise, stronger deep in the body and in some slices."""
    shape = (clean.shape[0], clean.shape[1], clean.shape[2])
    level = draw.choice([draw.uniform(5.0, 12.0), draw.uniform(12.0, 30.0)], [0.7, 0.3])
    white = draw.normals(1, 1, *shape).to(clean.device)
    grain = draw.uniform(0.8, 1.8) / spacing_mm
    field = smooth_along(white, [0.6 * grain, grain, grain])[0, 0]
    field = field * (level / field.std().clamp(min=1e-3))
    low = smooth_noise(draw, shape, 60.0 / spacing_mm, 1, clean.device)[0]
    return field * (1.0 + 0.2 * low).clamp(0.4, 1.8)


def _plane(clean: Tensor) -> tuple[Tensor, Tensor]:
    _, height, width = clean.shape
    y = torch.linspace(-1.0, 1.0, height, device=clean.device)[:, None]
    x = torch.linspace(-1.0, 1.0, width, device=clean.device)[None, :]
    return y, x


def _streaks(clean: Tensor, draw: Draw) -> Tensor:
    """Straight streaks through a point, as arms, metal or dense contrast cause them."""
    depth = clean.shape[0]
    y, x = _plane(clean)
    total = torch.zeros_like(clean[0])
    origin = draw.uniform(-0.8, 0.8), draw.uniform(-0.5, 0.5)
    for _ in range(draw.integer(4, 14)):
        angle = draw.uniform(0.0, math.pi)
        offset = (x - origin[0]) * math.cos(angle) + (y - origin[1]) * math.sin(angle)
        width = draw.uniform(0.008, 0.05)
        total += draw.normal(0.0, 14.0) * torch.exp(-(offset / width).square())
    middle, reach = draw.uniform(0.0, depth), draw.uniform(0.06, 0.5) * depth
    levels = torch.arange(depth, device=clean.device)
    fade = torch.exp(-((levels - middle) / reach).square())
    wobble = 1.0 + 0.5 * draw.normals(depth).to(clean.device)
    return (fade * wobble)[:, None, None] * total * (clean > -900.0)


def _hardening(clean: Tensor, draw: Draw) -> Tensor:
    """Cupping: the middle of the body darker than its rim, by a few HU."""
    y, x = _plane(clean)
    depth = draw.uniform(3.0, 14.0)
    return -depth * (1.0 - x.square() - y.square()).clamp(min=0.0) * (clean > -300.0)


def field_of_view(shape: tuple[int, int, int], draw: Draw, artefacts: float) -> Tensor:
    """Voxels (bool) that the scan covers: all, a circle, or a narrow crop of a larger scan."""
    valid = torch.ones(shape, dtype=torch.bool)
    if draw.chance(0.2 * artefacts):
        for axis in (1, 2):
            size = shape[axis]
            keep = round(draw.uniform(0.5, 0.85) * size)
            start = round((size - keep) * draw.uniform(0.1, 0.7))
            inside = torch.zeros(size, dtype=torch.bool)
            inside[start : start + keep] = True
            view = [1, 1, 1]
            view[axis] = size
            valid &= inside.view(view)
    elif draw.chance(0.25 * artefacts):
        y, x = torch.meshgrid(*(torch.arange(n) - 0.5 * (n - 1) for n in shape[1:]), indexing="ij")
        radius = 0.5 * max(shape[1:]) * draw.uniform(0.85, 1.15)
        valid &= ((y.square() + x.square()).sqrt() < radius)[None]
    if draw.chance(0.3 * artefacts):
        low, high = draw.uniform(0.0, 0.18), draw.uniform(0.0, 0.12)
        valid[: round(low * shape[0])] = False
        valid[shape[0] - round(high * shape[0]) :] = False
    return valid
