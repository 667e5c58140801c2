"""Random shapes instead of anatomy: what makes a registration network indifferent to looks."""

import math

import torch

from jssr.phantom.draw import Draw, smooth_noise
from jssr.phantom.options import PairOptions
from jssr.phantom.pair import PhantomPair, make_pair
from jssr.phantom.patient import Patient
from jssr.phantom.tissues import Tissue

SHAPE_COUNT = 14
SHAPES_OPTIONS = PairOptions(contrast="random", residual=2.5)
"""As training draws them: attenuation at random, and the smooth random motion stronger."""


def make_shapes_patient(
    seed: int,
    shape_zyx: tuple[int, int, int],
    spacing_mm: float,
    *,
    device: torch.device | str = "cpu",
) -> Patient:
    """A "patient" of smooth random shapes; its labels 1 to 14 number shapes, not organs.

    Several hundred blobs of random size share the numbers. After Hoffmann et al., SynthMorph,
    IEEE TMI 2022.
    """
    draw = Draw(seed, "shapes")
    reach = math.ceil(15.0 / spacing_mm)
    margin = (reach, reach, reach)
    padded = tuple(count + 2 * extra for count, extra in zip(shape_zyx, margin, strict=True))
    grid = (padded[0], padded[1], padded[2])
    best = torch.full(grid, -1e3, device=device)
    next_best = best.clone()
    first = torch.zeros(grid, dtype=torch.uint8, device=device)
    second = first.clone()
    longest = draw.uniform(40.0, 110.0)
    for number in range(SHAPE_COUNT):
        wavelength = draw.uniform(0.25, 1.0) * longest / spacing_mm
        level = smooth_noise(draw, grid, wavelength, 1, device)[0]
        wins, places = level > best, level > next_best
        second = torch.where(
            wins, first, torch.where(places, torch.full_like(first, number), second)
        )
        next_best = torch.where(wins, best, torch.maximum(next_best, level))
        first.masked_fill_(wins, number)
        best = torch.maximum(best, level)
    share = (0.5 + 4.0 * (best - next_best)).clamp(max=1.0)
    fine = smooth_noise(draw, grid, max(2.0, 5.0 / spacing_mm), 1, device)
    coarse = smooth_noise(draw, grid, 28.0 / spacing_mm, 1, device)
    far = torch.full(grid, 500.0, dtype=torch.float16, device=device)
    return Patient(
        seed=seed,
        shape=shape_zyx,
        spacing_mm=spacing_mm,
        margin=margin,
        first=first,
        second=second,
        share=share.half(),
        texture=torch.cat([fine, coarse]).half(),
        wall_mm=far,
        spine_mm=far,
        height_mm=torch.zeros_like(far),
        tissues=tuple(_shape_tissue(number) for number in range(SHAPE_COUNT)),
        fillings=(),
        lesions=(),
    )


def _shape_tissue(number: int) -> Tissue:
    any_hu = (-100.0, 200.0)
    hu = (any_hu, any_hu, any_hu, any_hu)
    return Tissue(f"shape {number + 1}", number + 1, hu, 6.0, 8.0)


def make_shapes_pair(
    seed: int,
    shape_zyx: tuple[int, int, int],
    spacing_mm: float,
    *,
    device: torch.device | str = "cpu",
    options: PairOptions | None = None,
) -> PhantomPair:
    """A pair of scans of random shapes with random contrast, independent in the two scans."""
    patient = make_shapes_patient(seed, shape_zyx, spacing_mm, device=device)
    return make_pair(patient, seed, options=options or SHAPES_OPTIONS)
