"""What instance optimization compares: features of each scan, and points to compare them at."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from jssr.bundle.load import Bundle
from jssr.networks.register import eroded, shrunk
from jssr.networks.structure import STRUCTURE_CHANNELS, STRUCTURE_PAIRS, structure
from jssr.registration.inference import Pair, Scans
from jssr.registration.window import to_network
from jssr.registration.working_grid import GridVolume
from jssr.spatial.fields import smooth_gaussian
from jssr.spatial.geometry import Geometry
from jssr.spatial.warp import resize

_DEPTH_MM = 6.0
_CANDIDATES = 2_000_000
_CONTRAST_FLOOR = 0.05
_SLAB = 16
_SLAB_HALO = 2
"""Structure looks one voxel around for a patch, and one around that for its pair."""

_CONTRAST = STRUCTURE_CHANNELS
_RAW = [*range(STRUCTURE_CHANNELS), _CONTRAST]
"""The channels of the scan as it is: structure, then local contrast."""


@dataclass(frozen=True)
class Look:
    """How a level looks at scans; Gaussians in voxels.

    Attributes:
        structure_sigma, contrast_sigma: by which noise is smoothed away first, 0 not at all.
        around_sigma: what "local" means to local contrast.
        contrast_weight: a channel of local contrast counts as that many of structure.
        both_structures: whether the synthesized scan's structure is looked at as well.
    """

    structure_sigma: float
    contrast_sigma: float
    around_sigma: float
    contrast_weight: float
    both_structures: bool


# Near the answer, sharp contrast places edges exactly; from afar, broad contrast leads there.
COARSE = Look(0.0, 0.7, 3.0, contrast_weight=1.0, both_structures=True)
FINE = Look(0.7, 0.0, 1.5, contrast_weight=3.0, both_structures=False)


@dataclass(frozen=True)
class Evidence:
    """What one scan shows, on a grid over the working grid's box.

    Channels are the raw scan's structure and local contrast, the same of its synthesized version,
    S's probabilities, and last the depth: 0 outside what was scanned, rising to 1 over the outer
    6 mm of it. They lie together in memory, since optimization asks for all of them at scattered
    points.

    Attributes:
        values: ``(z * y * x, c)`` float16.
        body_rows: ``(n,)`` rows of ``values`` that are voxels of the body, drawn at random.
        counterparts: for each feature the raw channel of the other scan to compare it with.
        weights: ``(features,)``, of their squared differences.
        shape_zyx, spacing_mm: of the grid.
    """

    values: torch.Tensor
    body_rows: torch.Tensor
    counterparts: list[int]
    weights: torch.Tensor
    shape_zyx: tuple[int, int, int]
    spacing_mm: float

    @property
    def contrasts(self) -> list[int]:
        """Which features are local contrast."""
        return [feature for feature, raw in enumerate(self.counterparts) if raw == _CONTRAST]

    def split(self, channels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features, S's probabilities and depth of ``(n, c)`` channels."""
        features = len(self.counterparts)
        return channels[:, :features], channels[:, features:-1], channels[:, -1]

    def index_xyz(self, rows: torch.Tensor) -> torch.Tensor:
        """Where rows of ``values`` lie on the grid, ``(n, 3)``."""
        _, height, width = self.shape_zyx
        x = rows.remainder(width)
        y = rows.div(width, rounding_mode="floor").remainder(height)
        z = rows.div(height * width, rounding_mode="floor")
        return torch.stack((x, y, z), dim=1).float()

    def at(self, index_xyz: torch.Tensor) -> torch.Tensor:
        """The channels, trilinear, at ``(n, 3)`` indices: ``(n, c)``.

        Beyond the grid its border continues. Gradients reach the indices alone.
        """
        _, height, width = self.shape_zyx
        last = index_xyz.new_tensor([n - 1 for n in reversed(self.shape_zyx)])
        index = torch.minimum(index_xyz.clamp_min(0.0), last)
        corner = torch.minimum(index.detach().floor(), last - 1)
        x, y, z = corner.long().unbind(dim=1)
        first = (z * height + y) * width + x
        plane = first.new_tensor([0, 1, width, width + 1])
        around = torch.cat((plane, plane + height * width))
        part = torch.stack((1 - (index - corner), index - corner))
        weights = torch.einsum("xn,yn,zn->nzyx", *part.unbind(dim=2)).flatten(1)
        rows = self.values.index_select(0, (first[:, None] + around).flatten())
        return torch.bmm(weights[:, None], rows.float().view(len(index), 8, -1))[:, 0]


BothScans = tuple[Evidence, Evidence]
"""Of the fixed scan and of the moving one, on one grid."""


def coarse_evidence(
    pair: Pair,
    synthesized: tuple[torch.Tensor, torch.Tensor],
    bundle: Bundle,
    random: torch.Generator,
) -> BothScans:
    """On the working grid: structure and local contrast, raw and synthesized, and S's labels.

    Args:
        synthesized: the fixed and the moving scan, each in the other's phase.
    """
    organs = [c for c in range(1, pair.fixed_probabilities.shape[1]) if _present(pair, c)]
    fixed, moving = (
        _evidence(pair.grid, volume, painted, labels[:, organs], bundle, random, COARSE)
        for volume, painted, labels in (
            (pair.fixed, synthesized[0], pair.fixed_probabilities),
            (pair.moving, synthesized[1], pair.moving_probabilities),
        )
    )
    return fixed, moving


def fine_evidence(
    finer: Callable[[], Scans],
    synthesized: tuple[torch.Tensor, torch.Tensor],
    bundle: Bundle,
    random: torch.Generator,
) -> BothScans:
    """On a finer grid: structure of the raw scans, local contrast of raw and synthesized ones.

    Args:
        finer: makes both scans on a finer grid over the same box.
        synthesized: on the working grid; they are interpolated.
    """
    scans = finer()
    none = scans.fixed.hu[:, :0]
    fixed, moving = (
        _evidence(scans.grid, volume, painted, none, bundle, random, FINE)
        for volume, painted in zip((scans.fixed, scans.moving), synthesized, strict=True)
    )
    return fixed, moving


def local_contrast(image: torch.Tensor, valid: torch.Tensor, around_sigma: float) -> torch.Tensor:
    """``image`` without its local mean, over its local standard deviation, ``(1, 1, z, y, x)``.

    The squared difference of two such images is, but for a constant, one minus their local
    correlation. "Local" is a Gaussian of ``around_sigma`` voxels over what is ``valid``; deviations
    far below the floor, 0.05 of the window's half width, are noise and stay small.
    """

    def blurred(seen: torch.Tensor) -> torch.Tensor:
        # At half the resolution, which so broad a Gaussian hardly tells from the whole.
        return smooth_gaussian(F.avg_pool3d(seen, 2), around_sigma / 2)

    def local_mean(seen: torch.Tensor) -> torch.Tensor:
        return resize(blurred(seen) / weight, list(seen.shape[2:]))

    weight = blurred(valid.to(image.dtype)).clamp_min(1e-3)
    # In place: at this point every further volume would add to the most memory that is needed.
    contrast = image - local_mean(image * valid)
    deviation = local_mean((contrast * valid).square_()).add_(_CONTRAST_FLOOR**2).sqrt_()
    return contrast.div_(deviation)


def _present(pair: Pair, channel: int) -> bool:
    """Whether both scans hold enough of a class for its Dice to mean something."""
    both = pair.fixed_probabilities, pair.moving_probabilities
    return min(float(p[:, channel].sum(dtype=torch.float32)) for p in both) > 200


def _evidence(
    grid: Geometry,
    volume: GridVolume,
    synthesized: torch.Tensor,
    labels: torch.Tensor,
    bundle: Bundle,
    random: torch.Generator,
    look: Look,
) -> Evidence:
    image = to_network(volume.hu, bundle.manifest.window_hu).to(bundle.device)
    # Near what was not scanned, structure is not the scan's own.
    valid = eroded(volume.valid.to(bundle.device))
    counterparts = _RAW + (_RAW if look.both_structures else [_CONTRAST])
    features = len(counterparts)
    with torch.no_grad():
        # In half precision: it is the most that is ever needed, and the noise of a scan is far
        # above its rounding.
        shape = (*grid.shape_zyx, features + labels.shape[1] + 1)
        values = torch.empty(shape, dtype=torch.float16, device=image.device)
        _fill_structure(values[..., :STRUCTURE_CHANNELS], _smoothed(image, look.structure_sigma))
        painted = resize(synthesized.to(image.device), list(grid.shape_zyx))
        if look.both_structures:
            structure_of = _smoothed(painted, look.structure_sigma)
            _fill_structure(values[..., len(_RAW) : features - 1], structure_of)
        for seen, channel in ((image, _CONTRAST), (painted, features - 1)):
            sharp = _smoothed(seen, look.contrast_sigma)
            values[..., channel] = local_contrast(sharp, valid, look.around_sigma)[0, 0]
        values[..., features:-1] = labels[0].permute(1, 2, 3, 0)
        values[..., -1] = _depth(valid, grid.spacing_mm[0])[0, 0]
    weights = [look.contrast_weight if raw == _CONTRAST else 1.0 for raw in counterparts]
    return Evidence(
        values=values.flatten(0, 2),
        body_rows=_drawn_rows(valid & (image > -1.0), random),
        counterparts=counterparts,
        weights=torch.tensor(weights, device=image.device) / features,
        shape_zyx=grid.shape_zyx,
        spacing_mm=grid.spacing_mm[0],
    )


def _smoothed(image: torch.Tensor, sigma: float) -> torch.Tensor:
    return smooth_gaussian(image, sigma) if sigma > 0 else image


def _drawn_rows(mask: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Flat indices of random voxels of ``mask`` ``(1, 1, z, y, x)``, some more than once."""
    drawn = torch.randint(mask.numel(), (_CANDIDATES,), generator=random).to(mask.device)
    return drawn[mask.flatten()[drawn]]


def _depth(valid: torch.Tensor, spacing_mm: float) -> torch.Tensor:
    """How deep a voxel lies inside what is ``valid``, in steps of one voxel."""
    steps = max(1, round(_DEPTH_MM / spacing_mm))
    inside = valid.to(torch.uint8)
    depth = inside.clone()
    for _ in range(steps - 1):
        inside = shrunk(inside)
        depth += inside
    return depth / steps


def _fill_structure(features: torch.Tensor, image: torch.Tensor) -> None:
    """Structure slab by slab: at once it would need several times the memory of its answer."""
    depth = image.shape[2]
    for start in range(0, depth, _SLAB):
        stop = min(start + _SLAB, depth)
        low, high = max(start - _SLAB_HALO, 0), min(stop + _SLAB_HALO, depth)
        slab = structure(image[:, :, low:high], STRUCTURE_PAIRS)[0]
        features[start:stop] = slab[:, start - low : stop - low].permute(1, 2, 3, 0)
