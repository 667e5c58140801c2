"""Small scans, and DICOM series made of them, for the tests that read files."""

import errno
from pathlib import Path
from typing import NoReturn

import numpy as np
import SimpleITK as sitk


def body_array(shape_zyx: tuple[int, int, int] = (12, 20, 24), seed: int = 0) -> np.ndarray:
    """An int16 cylinder of soft tissue in a rind of fat in air, with noise, in HU."""
    _, y, x = shape_zyx
    rows, columns = np.mgrid[:y, :x]
    radius = np.hypot((rows - (y - 1) / 2) / (y / 2), (columns - (x - 1) / 2) / (x / 2))
    plane = np.where(radius < 0.6, 55, np.where(radius < 0.8, -100, -1000))
    noise = np.random.default_rng(seed).normal(0, 8, shape_zyx)
    return (plane[None] + noise).clip(-1024, 3071).astype(np.int16)


def scan_image(shape_zyx: tuple[int, int, int] = (12, 20, 24), seed: int = 0) -> sitk.Image:
    """The cylinder as an image with spacing 2, 2, 3 mm away from the origin."""
    image = sitk.GetImageFromArray(body_array(shape_zyx, seed))
    image.SetSpacing((2.0, 2.0, 3.0))
    image.SetOrigin((-20.0, 15.0, -300.0))
    return image


def write_dicom_series(
    image: sitk.Image,
    folder: Path,
    *,
    uid: str = "1.2.3.4",
    modality: str = "CT",
    description: str = "portal venous",
    patient: str = "Doe^Jane",
    positions_mm: np.ndarray | None = None,
    prefix: str = "slice",
) -> list[Path]:
    """Writes each slice of an int16 image as DICOM, at ``positions_mm`` ``(n, 3)`` or its own."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = image.GetDirection()
    axes = (*direction[0::3], *direction[1::3])
    paths = []
    for number in range(image.GetSize()[2]):
        one = image[:, :, number]
        place = image.TransformIndexToPhysicalPoint((0, 0, number))
        if positions_mm is not None:
            place = tuple(positions_mm[number])
        tags = {
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"{uid}.{number + 1}",
            "0008|0060": modality,
            "0008|103e": description,
            "0010|0010": patient,
            "0010|0020": "PATIENT-4711",
            "0020|000d": "1.2.3",
            "0020|000e": uid,
            "0020|0011": "3",
            "0020|0013": str(number + 1),
            "0020|0032": "\\".join(f"{value:.6f}" for value in place),
            "0020|0037": "\\".join(f"{value:.8f}" for value in axes),
            "0028|1052": "-1024",
            "0028|1053": "1",
        }
        for key, value in tags.items():
            one.SetMetaData(key, value)
        path = folder / f"{prefix}{number:03d}.dcm"
        writer.SetFileName(str(path))
        writer.Execute(one)
        paths.append(path)
    return paths


def forbidden(*_: object, **__: object) -> NoReturn:
    """In place of a call to the system: what it answers without permission."""
    raise PermissionError(errno.EACCES, "Permission denied")
