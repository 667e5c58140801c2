"""CT series from folders of DICOM slices, through SimpleITK, with the slices' places checked."""

import mmap
import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError, ResourceError, counted
from jssr.io.dicom_series import (
    ORIENTATION_TOLERANCE,
    DicomSeries,
    DicomSlice,
    normal_of,
    same_orientation,
)
from jssr.io.reading import reading

_SERIES_UID, _SERIES_NUMBER = "0020|000e", "0020|0011"
_DESCRIPTION, _PROTOCOL = "0008|103e", "0018|1030"
_STORAGE, _IMAGE_TYPE, _MODALITY = "0008|0016", "0008|0008", "0008|0060"
_POSITION, _ORIENTATION = "0020|0032", "0020|0037"
_ACQUIRED, _ACQUIRED_DATE, _ACQUIRED_TIME = "0008|002a", "0008|0022", "0008|0032"
_CT_IMAGE_STORAGE = b"1.2.840.10008.5.1.4.1.1.2"
_MAGIC_OFFSET, _MAGIC = 128, b"DICM"
_META_BYTES = 1024
# Elements as they lie in a little-endian file: tag, four bytes of type and length, value.
_STORED_SERIES_UID = re.compile(rb"\x20\x00\x0e\x00.{4}([\d.]+)[^\d.]", re.DOTALL)
_STORED_POSITION = re.compile(
    rb"\x20\x00\x32\x00.{4}([-+.\deE ]+\\[-+.\deE ]+\\[-+.\deE ]+)", re.DOTALL
)
_STORED_RESCALE = re.compile(
    rb"\x28\x00([\x52\x53])\x10.{4} *([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)", re.DOTALL
)
# After it come voxels, among which a tag's bytes may stand by chance; an icon has its own, before.
_STORED_PIXELS = b"\xe0\x7f\x10\x00"
_DATE_AND_TIME = re.compile(r"\d{8}(\d{6}(?:\.\d+)?)")
_STEP_TOLERANCE_MM, _STEP_TOLERANCE = 0.1, 0.02
_SHIFT_TOLERANCE = 0.01
_ASIDE_TOLERANCE_MM = 1.0


def is_dicom(path: Path) -> bool:
    """Whether ``path`` begins as a DICOM file."""
    with path.open("rb") as stream:
        stream.seek(_MAGIC_OFFSET)
        return stream.read(len(_MAGIC)) == _MAGIC


def list_series(
    folder: Path, uid: str | None = None, *, skip_damaged: bool = False
) -> list[DicomSeries]:
    """The image series whose slices lie directly in ``folder``, in the order of their names.

    Args:
        folder: where to look.
        uid: the only series to list; default: all.
        skip_damaged: pass over damaged slices; :func:`read_series` will tell of them.

    Raises:
        InputError: a CT slice that is, or may be, of such a series is damaged, or something must
            not be read.
    """
    heads: dict[str, tuple[str, str]] = {}
    slices: dict[str, list[DicomSlice]] = {}
    with reading(folder):
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    for path in files:
        if path.name.startswith(".") or path.name == "DICOMDIR":
            continue
        try:
            header = _header(path)
        except ResourceError:
            raise
        except InputError:
            if skip_damaged:
                continue
            if uid is None or _may_belong(path, uid):
                raise
            continue
        if header is None or uid not in (None, _tag(header, _SERIES_UID)):
            continue
        own = _tag(header, _SERIES_UID)
        description = _tag(header, _DESCRIPTION) or _tag(header, _PROTOCOL)
        heads.setdefault(own, (_tag(header, _SERIES_NUMBER), description))
        slices.setdefault(own, []).append(_slice(path, header))
    return [DicomSeries(*head, tuple(slices[own])) for own, head in heads.items()]


def read_series(path: Path) -> sitk.Image:
    """The CT volume of the one scan in folder ``path``, or of the series of the file ``path``.

    Localizers, dose reports, reformats and the like that lie beside a scan are left out.

    Raises:
        InputError: there is no series, or more than one scan; it is no CT; slices are missing,
            doubled, unevenly spaced, tilted, or do not fit together, as slices or as frames of one
            file.
    """
    if path.is_dir():
        found = list_series(path)
    else:
        chosen = _header(path)
        found = list_series(path.parent, _tag(chosen, _SERIES_UID)) if chosen else []
    if not found:
        raise InputError(
            f"'{path}' holds no DICOM image; give the folder that the slices lie in themselves "
            "(folders below it are not searched)."
        )
    ordered = _ordered(_only_scan(found, path), path)
    if len(ordered) == 1:
        image = _execute(sitk.ImageFileReader(), ordered, path)
        if ordered[0].frames > 1:
            _check_frames(image, ordered[0].path)
        return image
    return _execute(sitk.ImageSeriesReader(), ordered, path)


def _only_scan(found: list[DicomSeries], path: Path) -> DicomSeries:
    if len(found) == 1:
        return found[0]  # what may be wrong with it is told when it is put in order
    scans = [series for series in found if not series.no_scan]
    if len(scans) == 1:
        return scans[0]
    several = f"{len(scans)} may be the scan" if scans else "none is an axial scan"
    raise InputError(
        f"'{path}' holds {len(found)} series ({'; '.join(_describe(s) for s in found)}), of which "
        f"{several}; give one of these files instead of the folder to choose its series."
    )


def _header(path: Path) -> sitk.ImageFileReader | None:
    """The header of an image file; ``None`` for a file of another kind."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        with reading(path):
            damaged = is_dicom(path) and _CT_IMAGE_STORAGE in path.read_bytes()[:_META_BYTES]
        if damaged:
            raise InputError(
                f"The DICOM slice '{path}' is damaged or cut short; get it again."
            ) from error
        return None
    return reader


def _slice(path: Path, header: sitk.ImageFileReader) -> DicomSlice:
    size, spacing = header.GetSize(), header.GetSpacing()
    return DicomSlice(
        path,
        _tag(header, _MODALITY),
        _tag(header, _STORAGE),
        tuple(part.strip() for part in _tag(header, _IMAGE_TYPE).split("\\")),
        _numbers(_tag(header, _POSITION)),
        _numbers(_tag(header, _ORIENTATION)),
        (size[0], size[1]),
        (spacing[0], spacing[1]),
        size[2] if len(size) > 2 else 1,
        _acquired(header),
    )


def _acquired(header: sitk.ImageFileReader) -> float | None:
    both = _tag(header, _ACQUIRED) or _tag(header, _ACQUIRED_DATE) + _tag(header, _ACQUIRED_TIME)
    told = _DATE_AND_TIME.match(both)
    # Whoever takes names away often sets the time to midnight.
    return float(told[0]) if told and float(told[1]) > 0 else None


def _tag(header: sitk.ImageFileReader, key: str) -> str:
    """The value of a text; most that is no UTF-8, which its bytes tell, is Latin 1."""
    if not header.HasMetaDataKey(key):
        return ""
    stored = header.GetMetaData(key).encode(errors="surrogateescape")
    try:
        return stored.decode().strip()
    except UnicodeDecodeError:
        return stored.decode("latin-1").strip()


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return ()


def _describe(series: DicomSeries) -> str:
    first = series.slices[0]
    files = f"{counted(len(series.slices), 'file')} as '{first.path.name}'"
    parts = [f"'{series.title}'", first.modality or "no modality", files, series.no_scan]
    return ", ".join(part for part in parts if part)


def _ordered(series: DicomSeries, path: Path) -> list[DicomSlice]:
    """The slices along their normal, once they are known to make one even volume."""
    slices = series.slices
    for one in slices:
        if one.modality != "CT":
            modality = one.modality or "unknown"
            raise InputError(f"'{path}' holds a series of modality {modality}; give a CT series.")
    if len(slices) == 1 and slices[0].frames > 1:
        return list(slices)
    if not all(one.placed for one in slices):
        raise InputError(
            f"'{path}' has slices without a position in space; export the series again."
        )
    first = slices[0]
    if not same_orientation(slices) or any(
        one.frames > 1
        or one.size != first.size
        or not np.allclose(one.spacing_mm, first.spacing_mm, rtol=ORIENTATION_TOLERANCE)
        for one in slices
    ):
        raise InputError(
            f"'{path}' mixes slices of different size, spacing or orientation in one series; "
            "keep only those of the volume."
        )
    normal = normal_of(first)
    ordered = sorted(slices, key=lambda one: float(np.dot(one.position_mm, normal)))
    _check_steps(np.array([one.position_mm for one in ordered]), normal, path)
    return ordered


def _check_steps(positions_mm: np.ndarray, normal: np.ndarray, path: Path) -> None:
    if len(positions_mm) < 2:
        return
    steps = np.diff(positions_mm @ normal)
    usual = float(np.median(steps))
    tolerance = max(_STEP_TOLERANCE_MM, _STEP_TOLERANCE * usual)
    if steps.min() < min(_STEP_TOLERANCE_MM, usual / 2) or usual <= 0:
        raise InputError(
            f"'{path}' has several slices at one place, as when times or phases share a series; "
            "keep those of one volume."
        )
    uneven = np.flatnonzero(np.abs(steps - usual) > tolerance)
    if uneven.size:
        at = positions_mm[uneven[0]] @ normal
        raise InputError(
            f"'{path}' has missing or unevenly spaced slices ({steps[uneven[0]]:.2f} mm after the "
            f"slice at {at:.1f} mm, {usual:.2f} mm elsewhere); export the whole series again."
        )
    shift = positions_mm[-1] - positions_mm[0]
    length = float(shift @ normal)
    if np.linalg.norm(shift - length * normal) > _SHIFT_TOLERANCE * length:
        raise InputError(
            f"'{path}' was scanned with a tilted gantry; correct the tilt (as Slicer's DICOM "
            "import does) and give the result."
        )
    along = (positions_mm - positions_mm[0]) @ normal / length
    aside = np.linalg.norm(positions_mm - positions_mm[0] - np.outer(along, shift), axis=1)
    if aside.max() > _ASIDE_TOLERANCE_MM:
        at = positions_mm[aside.argmax()] @ normal
        raise InputError(
            f"'{path}' has a slice {aside.max():.1f} mm beside the others (at {at:.1f} mm); export "
            "the whole series again."
        )


def _check_frames(image: sitk.Image, path: Path) -> None:
    """Refuses a multi-frame file whose frames are not the slices that ``image`` has.

    GDCM makes a grid of its own, without a word, where they do not lie evenly, and brings all of
    them to HU as one of them says.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as file:
        header = file[: file.rfind(_STORED_PIXELS)]
    stored = [_numbers(text.decode("ascii")) for text in _STORED_POSITION.findall(header)]
    rescales = {(tag, float(text)) for tag, text in _STORED_RESCALE.findall(header)}
    slices = [image.TransformIndexToPhysicalPoint((0, 0, n)) for n in range(image.GetDepth())]
    known = len(stored) == len(slices) and all(len(place) == 3 for place in stored)
    fault = ""
    if not known:
        fault = "do not say where they lie"
    elif not np.allclose(stored, slices, rtol=0, atol=_STEP_TOLERANCE_MM):
        fault = "do not make one even volume"
    elif len(rescales) > len({tag for tag, _ in rescales}):
        fault = "differ in their rescale slope or intercept"
    if fault:
        raise InputError(
            f"'{path}' is a multi-frame file whose frames {fault}; convert it to DICOM of one file "
            "a slice, and give one of these."
        )


def _may_belong(path: Path, uid: str) -> bool:
    """Whether a damaged file names the series ``uid``, or is cut short before it names one."""
    with reading(path):
        named = _STORED_SERIES_UID.findall(path.read_bytes())
    return not named or uid.encode("ascii", "replace") in named


def _execute(
    reader: sitk.ImageFileReader | sitk.ImageSeriesReader, slices: list[DicomSlice], path: Path
) -> sitk.Image:
    reader.SetImageIO("GDCMImageIO")
    names = [str(one.path) for one in slices]
    if isinstance(reader, sitk.ImageSeriesReader):
        reader.SetFileNames(names)
    else:
        reader.SetFileName(names[0])
    try:
        return reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"The DICOM series '{path}' has a damaged slice or one cut short; get it again."
        ) from error
