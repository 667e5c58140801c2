"""What instance optimization compares: features of both scans, and points to compare them at."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from jssr.bundle.load import Bundle
from jssr.networks.register import eroded
from jssr.networks.structure import STRUCTURE_CHANNELS, STRUCTURE_PAIRS, structure
from jssr.registration.inference import Pair, Scans
from jssr.registration.window import to_network
from jssr.registration.working_grid import GridVolume
from jssr.spatial.fields import smooth_gaussian
from jssr.spatial.geometry import Geometry
from jssr.spatial.warp import resize

_CANDIDATES = 2_000_000
_CONTRAST_SIGMA = 3.0
_CONTRAST_NOISE_SIGMA = 0.7
_CONTRAST_FLOOR = 0.05
_SLAB = 16
_SLAB_HALO = 2
"""Structure looks one voxel around for a patch, and one around that for its pair."""


@dataclass(frozen=True)
class Evidence:
    """Features of both scans on one grid over the working grid's box.

    Channels are features, then S's probabilities, and last whether the voxel is valid. They lie
    together in memory, since optimization asks for all of them at scattered points.

    Attributes:
        moving: ``(z * y * x, c)`` float16.
        fixed: ``(points, c)`` float16, the fixed scan's at ``points``.
        points: ``(points, 3)`` x, y, z index of voxels inside the fixed body.
        kinds: how many of the channels are features.
        shape_zyx, spacing_mm: of the grid.
    """

    moving: torch.Tensor
    fixed: torch.Tensor
    points: torch.Tensor
    kinds: int
    shape_zyx: tuple[int, int, int]
    spacing_mm: float

    def moving_at(self, index_xyz: torch.Tensor) -> torch.Tensor:
        """The moving scan's channels, trilinear, at ``(n, 3)`` indices: ``(n, c)``.

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
        rows = self.moving.index_select(0, (first[:, None] + around).flatten())
        return torch.bmm(weights[:, None], rows.float().view(len(index), 8, -1))[:, 0]


@dataclass(frozen=True)
class _Side:
    """One scan's images, each ``(1, 1, z, y, x)``: of which structure is taken, and contrast.

    The fixed scan has one of each, the moving one may have several.
    """

    structures: tuple[torch.Tensor, ...]
    contrasts: tuple[torch.Tensor, ...]
    probabilities: torch.Tensor
    valid: torch.Tensor


def coarse_evidence(
    pair: Pair, synthesized: torch.Tensor, bundle: Bundle, random: torch.Generator
) -> Evidence:
    """Structure of the raw and the synthesized scan, the latter's local contrast, S's labels."""
    fixed, fixed_valid = _as_networks_see(pair.fixed, bundle)
    moving, moving_valid = _as_networks_see(pair.moving, bundle)
    synthesized = synthesized.to(bundle.device)
    organs = [c for c in range(1, pair.fixed_probabilities.shape[1]) if _present(pair, c)]
    labels = [
        volume[:, organs].to(bundle.device)
        for volume in (pair.fixed_probabilities, pair.moving_probabilities)
    ]
    return _evidence(
        pair.grid,
        _Side((fixed,), (fixed,), labels[0], fixed_valid),
        _Side((moving, synthesized), (synthesized,), labels[1], moving_valid),
        random,
    )


def fine_evidence(
    finer: Callable[[], Scans],
    synthesized: torch.Tensor,
    bundle: Bundle,
    random: torch.Generator,
) -> Evidence:
    """Structure of the raw scan, local contrast of the raw and the synthesized scan.

    Args:
        finer: makes both scans on a finer grid over the same box.
        synthesized: on the working grid; it is interpolated.
    """
    scans = finer()
    grid = scans.grid
    fixed, fixed_valid = _as_networks_see(scans.fixed, bundle)
    moving, moving_valid = _as_networks_see(scans.moving, bundle)
    del scans  # nothing before or after needs as much memory as what follows
    synthesized = resize(synthesized.to(bundle.device), list(grid.shape_zyx))
    no_labels = fixed[:, :0]
    return _evidence(
        grid,
        _Side((fixed,), (fixed,), no_labels, fixed_valid),
        _Side((moving,), (moving, synthesized), no_labels, moving_valid),
        random,
    )


def local_contrast(image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """``image`` without its local mean, over its local standard deviation, ``(1, 1, z, y, x)``.

    The squared difference of two such images is, but for a constant, one minus their local
    correlation. "Local" is a Gaussian of three voxels over what is ``valid``; deviations far below
    the floor, 0.05 of the window's half width, are noise and stay small.
    """

    def blurred(seen: torch.Tensor) -> torch.Tensor:
        # At half the resolution, which so broad a Gaussian does not tell from the whole.
        return smooth_gaussian(F.avg_pool3d(seen, 2), _CONTRAST_SIGMA / 2)

    def local_mean(seen: torch.Tensor) -> torch.Tensor:
        return resize(blurred(seen) / weight, list(seen.shape[2:]))

    weight = blurred(valid.to(image.dtype)).clamp_min(1e-3)
    # In place: at this point every further volume would add to the most memory that is needed.
    contrast = smooth_gaussian(image, _CONTRAST_NOISE_SIGMA)
    contrast -= local_mean(contrast * valid)
    deviation = local_mean((contrast * valid).square_()).add_(_CONTRAST_FLOOR**2).sqrt_()
    return contrast.div_(deviation)


def _as_networks_see(volume: GridVolume, bundle: Bundle) -> tuple[torch.Tensor, torch.Tensor]:
    """The scan in the networks' units, and the voxels (bool) of which structure is its own."""
    image = to_network(volume.hu, bundle.manifest.window_hu).to(bundle.device)
    return image, eroded(volume.valid.to(bundle.device))


def _present(pair: Pair, channel: int) -> bool:
    """Whether both scans hold enough of a class for its Dice to mean something."""
    both = pair.fixed_probabilities, pair.moving_probabilities
    return min(float(p[:, channel].sum(dtype=torch.float32)) for p in both) > 200


def _evidence(grid: Geometry, fixed: _Side, moving: _Side, random: torch.Generator) -> Evidence:
    structures, contrasts = len(moving.structures), len(moving.contrasts)
    kinds = STRUCTURE_CHANNELS * structures + contrasts
    others = moving.probabilities.shape[1] + 1
    z, y, x = _points(fixed.valid & (fixed.structures[0] > -1.0), random)
    with torch.no_grad():
        # The same memory for one scan after the other, in half precision: it may be the most that
        # is ever needed, and the noise of a scan is far above its rounding.
        shape = (*grid.shape_zyx, kinds + others)
        features = torch.empty(shape, dtype=torch.float16, device=moving.valid.device)
        once = features[..., : STRUCTURE_CHANNELS + 1 + others]
        _fill(once, fixed)
        # What the fixed scan shows is compared with each image of the moving one.
        parts = once[z, y, x].split([STRUCTURE_CHANNELS, 1, others], dim=1)
        at_points = torch.cat([parts[0]] * structures + [parts[1]] * contrasts + [parts[2]], dim=1)
        _fill(features, moving)
    return Evidence(
        moving=features.flatten(0, 2),
        fixed=at_points,
        points=torch.stack((x, y, z), dim=1).float(),
        kinds=kinds,
        shape_zyx=grid.shape_zyx,
        spacing_mm=grid.spacing_mm[0],
    )


def _points(
    mask: torch.Tensor, random: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """z, y, x of random voxels of ``mask`` ``(1, 1, z, y, x)``, most of them drawn once."""
    _, height, width = mask.shape[2:]
    drawn = torch.randint(mask.numel(), (_CANDIDATES,), generator=random).to(mask.device)
    drawn = drawn[mask.flatten()[drawn]]
    return (
        drawn.div(height * width, rounding_mode="floor"),
        drawn.div(width, rounding_mode="floor").remainder(height),
        drawn.remainder(width),
    )


def _fill(features: torch.Tensor, side: _Side) -> None:
    """``features`` ``(z, y, x, c)`` of one scan."""
    channel = 0
    for image in side.structures:
        _fill_structure(features[..., channel : channel + STRUCTURE_CHANNELS], image)
        channel += STRUCTURE_CHANNELS
    for image in side.contrasts:
        features[..., channel] = local_contrast(image, side.valid)[0, 0]
        channel += 1
    features[..., channel:-1] = side.probabilities[0].permute(1, 2, 3, 0)
    features[..., -1] = side.valid[0, 0]


def _fill_structure(features: torch.Tensor, image: torch.Tensor) -> None:
    """Structure slab by slab: at once it would need several times the memory of its answer."""
    depth = image.shape[2]
    for start in range(0, depth, _SLAB):
        stop = min(start + _SLAB, depth)
        low, high = max(start - _SLAB_HALO, 0), min(stop + _SLAB_HALO, depth)
        slab = structure(image[:, :, low:high], STRUCTURE_PAIRS)[0]
        features[start:stop] = slab[:, start - low : stop - low].permute(1, 2, 3, 0)
