"""A small pair of scans: an egg-shaped body with one organ that has moved, in noise."""

import numpy as np
import SimpleITK as sitk

SPACING_MM = 5.0


def pair_arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Fixed and moving int16 HU, ``(36, 40, 48)``; the organ lies 6 mm higher in the moving one."""
    z, y, x = np.mgrid[0:36, 0:40, 0:48] * SPACING_MM
    body = ((x - 117) / 100) ** 2 + ((y - 97) / 80) ** 2 < 1
    scans = []
    for number, (shift, hu) in enumerate([(0.0, 110), (6.0, 60)]):
        organ = (x - 80) ** 2 + (y - 90) ** 2 + (z - 90 - shift) ** 2 < 45**2
        noise = np.random.default_rng([seed, number]).normal(0, 8, body.shape)
        scan = np.where(body, np.where(organ, hu, 40) + noise, -1000)
        scans.append(scan.clip(-1024, 3071).astype(np.int16))
    return scans[0], scans[1]


def pair_images(seed: int = 0) -> tuple[sitk.Image, sitk.Image]:
    """The same as images with isotropic spacing."""
    images = []
    for array in pair_arrays(seed):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing([SPACING_MM] * 3)
        images.append(image)
    return images[0], images[1]
