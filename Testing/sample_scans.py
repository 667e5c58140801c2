"""Small scans, and DICOM series made of them, for the tests that read files."""

import errno
import struct
from collections.abc import Mapping, Sequence
from itertools import zip_longest
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
    tags: Mapping[str, str] | None = None,
) -> list[Path]:
    """Writes each slice of an int16 image as DICOM, at ``positions_mm`` ``(n, 3)`` or its own.

    ``tags`` stand in place of those that are written otherwise; an empty one is left out.
    """
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
        written = {
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
            **(tags or {}),
        }
        for key, value in written.items():
            if value:
                one.SetMetaData(key, value)
        path = folder / f"{prefix}{number:03d}.dcm"
        writer.SetFileName(str(path))
        writer.Execute(one)
        paths.append(path)
    return paths


def write_localizer(folder: Path, *, uid: str = "1.2.1", count: int = 2) -> list[Path]:
    """Writes frontal views as scanners make them before the first phase."""
    image = scan_image()[:, :, :count]
    image.SetDirection((1, 0, 0, 0, 0, 1, 0, -1, 0))
    kind = {"0008|0008": "ORIGINAL\\PRIMARY\\LOCALIZER", "0020|0011": "1"}
    return write_dicom_series(
        image, folder, uid=uid, description="Topogram", prefix="scout", tags=kind
    )


def write_screen_capture(folder: Path, *, uid: str = "1.2.501") -> list[Path]:
    """Writes a page of doses as a scanner does: a picture, not a scan, of modality CT."""
    kind = {
        "0008|0008": "DERIVED\\SECONDARY\\OTHER",
        "0008|0016": "1.2.840.10008.5.1.4.1.1.7",
        "0020|0011": "501",
    }
    return write_dicom_series(
        scan_image()[:, :, :1],
        folder,
        uid=uid,
        description="Patient Protocol",
        prefix="dose",
        tags=kind,
    )


def write_dose_report(path: Path) -> Path:
    """Writes a structured report, a DICOM file without an image."""
    storage = b"1.2.840.10008.5.1.4.1.1.88.67"
    meta = (
        _element("0002|0002", "UI", storage)
        + _element("0002|0003", "UI", b"1.2.999.1")
        + _element("0002|0010", "UI", b"1.2.840.10008.1.2.1")
    )
    content = (
        _element("0008|0016", "UI", storage)
        + _element("0008|0060", "CS", b"SR")
        + _element("0008|103e", "LO", b"Dose Report")
        + _element("0020|000e", "UI", b"1.2.999")
    )
    length = _element("0002|0000", "UL", struct.pack("<I", len(meta)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM" + length + meta + content)
    return path


def write_enhanced_dicom(
    image: sitk.Image,
    path: Path,
    positions_mm: np.ndarray | None = None,
    intercepts: Sequence[float] | None = None,
) -> Path:
    """Writes an int16 image as one multi-frame CT file, byte by byte: ITK writes none.

    ``positions_mm`` ``(n, 3)`` are the frames' places, by default the slices' own. ``intercepts``
    are what each frame adds to its stored values; without them the file says one for all, -1024.
    """
    values = sitk.GetArrayFromImage(image) - np.reshape(intercepts or -1024, (-1, 1, 1))
    frames, rows, columns = values.shape
    direction, spacing = image.GetDirection(), image.GetSpacing()
    if positions_mm is None:
        places = [image.TransformIndexToPhysicalPoint((0, 0, n)) for n in range(frames)]
        positions_mm = np.array(places)
    storage = "1.2.840.10008.5.1.4.1.1.2.1"
    shared = _element(
        "0020|9116", "SQ", _item(_decimals("0020|0037", direction[0::3], direction[1::3]))
    ) + _element("0028|9110", "SQ", _item(_decimals("0028|0030", spacing[1::-1])))
    rescales = [_rescale(intercept) for intercept in intercepts or ()]
    if not rescales:
        shared += _rescale(-1024)
    single = [
        _item(_element("0020|9113", "SQ", _item(_decimals("0020|0032", place))), rescale)
        for place, rescale in zip_longest(positions_mm, rescales, fillvalue=b"")
    ]
    meta = (
        _element("0002|0002", "UI", storage.encode())
        + _element("0002|0003", "UI", b"1.2.9")
        + _element("0002|0010", "UI", b"1.2.840.10008.1.2.1")
    )
    content = {
        ("0008|0016", "UI"): storage.encode(),
        ("0008|0018", "UI"): b"1.2.9",
        ("0008|0060", "CS"): b"CT",
        ("0020|000e", "UI"): b"1.2.3.4",
        ("0028|0002", "US"): struct.pack("<H", 1),
        ("0028|0004", "CS"): b"MONOCHROME2",
        ("0028|0008", "IS"): str(frames).encode(),
        ("0028|0010", "US"): struct.pack("<H", rows),
        ("0028|0011", "US"): struct.pack("<H", columns),
        ("0028|0100", "US"): struct.pack("<H", 16),
        ("0028|0101", "US"): struct.pack("<H", 16),
        ("0028|0102", "US"): struct.pack("<H", 15),
        ("0028|0103", "US"): struct.pack("<H", 0),
        ("5200|9229", "SQ"): _item(shared),
        ("5200|9230", "SQ"): b"".join(single),
        ("7fe0|0010", "OW"): values.astype("<u2").tobytes(),
    }
    length = _element("0002|0000", "UL", struct.pack("<I", len(meta)))
    body = b"".join(_element(tag, kind, value) for (tag, kind), value in content.items())
    path.write_bytes(bytes(128) + b"DICM" + length + meta + body)
    return path


def _element(tag: str, kind: str, value: bytes) -> bytes:
    """One element in explicit little endian."""
    value += (b"\0" if kind == "UI" else b" ") * (len(value) % 2)
    numbers = (int(part, 16) for part in tag.split("|"))
    long = kind in ("SQ", "OW")
    length = struct.pack("<HI" if long else "<H", *((0,) if long else ()), len(value))
    return struct.pack("<HH", *numbers) + kind.encode() + length + value


def _rescale(intercept: float) -> bytes:
    values = _item(_decimals("0028|1052", (intercept,)), _decimals("0028|1053", (1,)))
    return _element("0028|9145", "SQ", values)


def _item(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body


def _decimals(tag: str, *values: Sequence[float] | np.ndarray) -> bytes:
    text = "\\".join(f"{value:.6f}" for part in values for value in part)
    return _element(tag, "DS", text.encode())


def forbidden(*_: object, **__: object) -> NoReturn:
    """In place of a call to the system: what it answers without permission."""
    raise PermissionError(errno.EACCES, "Permission denied")
