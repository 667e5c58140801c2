"""Sampling volumes at displaced points.

Everything here can be compiled by TorchScript, since the register calls it.
"""

import torch
import torch.nn.functional as F

Spacing = tuple[float, float, float]
"""Voxel size in mm, x, y, z order."""


def isotropic(size_mm: float) -> Spacing:
    """The spacing of a grid with cubic voxels."""
    return (size_mm, size_mm, size_mm)


def voxel_coordinates(shape_zyx: list[int], device: torch.device) -> torch.Tensor:
    """x, y, z index of every voxel, ``(1, 3, z, y, x)`` float32."""
    z = torch.arange(shape_zyx[0], device=device, dtype=torch.float32).view(-1, 1, 1)
    y = torch.arange(shape_zyx[1], device=device, dtype=torch.float32).view(1, -1, 1)
    x = torch.arange(shape_zyx[2], device=device, dtype=torch.float32).view(1, 1, -1)
    return torch.stack((x.expand(shape_zyx), y.expand(shape_zyx), z.expand(shape_zyx))).unsqueeze(0)


def map_linear(matrix: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """``points`` ``(b, 3, z, y, x)`` mapped by the 4x4 ``matrix``, in their own number type."""
    matrix = matrix.to(points)
    turned = torch.einsum("ij,bjzyx->bizyx", matrix[:3, :3], points)
    return turned + matrix[:3, 3].view(1, 3, 1, 1, 1)


def sample(
    volume: torch.Tensor, index_xyz: torch.Tensor, mode: str = "bilinear", padding: str = "border"
) -> torch.Tensor:
    """Values of ``volume`` ``(b, c, z, y, x)`` at continuous indices ``(b, 3, z', y', x')``.

    The coordinates are kept in float32 whatever the volume's type is: bf16 resolves only one
    voxel at index 128.
    """
    scale = torch.tensor(
        [2.0 / volume.shape[4], 2.0 / volume.shape[3], 2.0 / volume.shape[2]],
        device=index_xyz.device,
    ).view(1, 3, 1, 1, 1)
    grid = torch.addcmul(0.5 * scale - 1.0, index_xyz.float(), scale).permute(0, 2, 3, 4, 1)
    sampled = F.grid_sample(
        volume.float(), grid, mode=mode, padding_mode=padding, align_corners=False
    )
    return sampled.to(volume.dtype)


def warp(
    image: torch.Tensor,
    displacement_mm: torch.Tensor,
    spacing_mm: Spacing,
    mode: str = "bilinear",
    padding: str = "border",
) -> torch.Tensor:
    """``out(p) = image(p + u(p))`` for an image and a displacement on the same axis-aligned grid.

    Args:
        image: ``(batch, channel, z, y, x)``.
        displacement_mm: ``(batch, 3, z, y, x)``, x, y, z order, mm.
        spacing_mm: voxel size in x, y, z order.
        mode: ``bilinear`` (trilinear) or ``nearest``.
        padding: ``border`` or ``zeros`` outside the image.
    """
    per_mm = torch.tensor(
        [1.0 / spacing_mm[0], 1.0 / spacing_mm[1], 1.0 / spacing_mm[2]],
        device=displacement_mm.device,
    )
    shape = [displacement_mm.shape[2], displacement_mm.shape[3], displacement_mm.shape[4]]
    here = voxel_coordinates(shape, displacement_mm.device)
    index = torch.addcmul(here, displacement_mm.float(), per_mm.view(1, 3, 1, 1, 1))
    return sample(image, index, mode, padding)


def resize(volume: torch.Tensor, shape_zyx: list[int]) -> torch.Tensor:
    """``volume`` ``(b, c, z, y, x)`` on another number of voxels over the same box, trilinear.

    The operator is named itself: TorchScript of ``F.interpolate`` names others too, which older
    versions of torch do not know.
    """
    return torch.ops.aten.upsample_trilinear3d(volume, shape_zyx, False)
