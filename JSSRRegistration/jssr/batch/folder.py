"""A folder of studies: one folder a patient, with image files or DICOM slices below it."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jssr.batch.annotations import SEGMENTATION, annotation_kind
from jssr.batch.reconstructions import Found, one_of_each
from jssr.batch.state import STATE_NAME, holds_batch
from jssr.batch.study import LeftOut, ScanFile, Study
from jssr.errors import InputError, counted
from jssr.io.dicom import is_dicom, list_series
from jssr.io.dicom_series import DicomSeries
from jssr.io.reading import reading
from jssr.labels import Phase
from jssr.phase_name import phase_from_name
from jssr.registration.write import OUTPUT_FILES

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_RESULT = "result of JSSR"
_RESULT_NAMES = frozenset({STATE_NAME, *OUTPUT_FILES.values()})
_BESIDE_SLICES = "image file beside DICOM slices"
_DAMAGED = "damaged DICOM slices beside an image file"


@dataclass(frozen=True)
class _Place:
    """A folder with scans: its image files, and whether DICOM slices may lie beside them.

    Of the results of a batch, the batch's own file stands among ``volumes`` for all of them.
    """

    folder: Path
    volumes: list[Path]
    slices: bool


def read_folder(root: Path) -> list[Study]:
    """The patients below ``root``, in the order of their names.

    Folders that are empty or hold nothing but results of JSSR are passed over. Phases are taken
    from the names of files and folders, and from the descriptions of DICOM series.

    Raises:
        InputError: ``root`` must not be read.
    """
    with reading(root):
        folders = sorted(path for path in root.iterdir() if path.is_dir() and _visible(path))
    studies = [_study(folder) for folder in folders]
    return [study for study in studies if study.scans or study.fault or _holds_more(study)]


def _holds_more(study: Study) -> bool:
    """Whether something was left out that is neither a segmentation by its suffix nor a result."""
    return any(one.kind not in (SEGMENTATION, _RESULT) for one in study.left_out)


def _study(folder: Path) -> Study:
    patient = _printable(folder.name)
    found: list[Found] = []
    left_out: list[LeftOut] = []
    try:
        for place in _places(folder, set(folder.resolve().parents)):
            here, out = _found_in(place, patient, folder)
            found += here
            left_out += out
    except OSError as error:
        fault = f"has files that cannot be read ({error.strerror or error}); check the permissions"
        return Study(patient, (), fault=fault)
    scans, doubles = one_of_each(found)
    return Study(patient, scans, (*left_out, *doubles))


def _found_in(place: _Place, patient: str, root: Path) -> tuple[list[Found], list[LeftOut]]:
    """The scans that lie directly in one folder below the patient's, ``root``; what is left out."""
    kinds = {path: _no_scan(path) for path in place.volumes}
    left_out = [LeftOut("", kind) for kind in kinds.values() if kind]
    volumes = [path for path, kind in kinds.items() if not kind]
    slices: list[Found] = []
    if place.slices:
        names = place.folder.relative_to(root).parts[::-1]
        series = _series(place.folder)
        if series is not None:
            slices = _scans(patient, place.folder, names, [s for s in series if not s.no_scan])
            left_out += [LeftOut(one.title, one.no_scan) for one in series if one.no_scan]
        elif not volumes:
            slices = [Found(ScanFile(patient, place.folder, _phase(names)))]
        else:
            left_out.append(LeftOut("", _DAMAGED))
    files = []
    for path in volumes:
        if _is_told_apart(path, slices):
            phase = _phase(path.relative_to(root).parts[::-1])
            files.append(Found(ScanFile(patient, path, phase)))
        else:
            left_out.append(LeftOut("", _BESIDE_SLICES))
    return [*files, *slices], left_out


def _no_scan(path: Path) -> str:
    """What an image file is instead of a scan; empty where it may be one."""
    return _RESULT if path.name in _RESULT_NAMES else annotation_kind(path)


def _is_told_apart(volume: Path, slices: list[Found]) -> bool:
    """Whether an image file is certainly not one of the scans whose slices lie beside it."""
    phase = phase_from_name(volume.name)
    known = [one.scan.phase for one in slices]
    return not slices or (phase is not None and phase not in known and None not in known)


def _scans(
    patient: str, folder: Path, names: tuple[str, ...], series: list[DicomSeries]
) -> list[Found]:
    """The scans in one folder, whose name tells the phase before the description if it has one."""
    scans = []
    for one in series:
        alone = len(series) == 1
        texts = (*names[:1], one.description, *names[1:]) if alone else (one.description, *names)
        title = f"'{one.title}', {counted(sum(s.frames for s in one.slices), 'slice')}"
        image = folder if alone else one.slices[0].path
        scans.append(Found(ScanFile(patient, image, _phase(texts), title=title), one))
    return scans


def _series(folder: Path) -> list[DicomSeries] | None:
    """The series of a folder; ``None`` where there is no DICOM, or none that is whole.

    That becomes a scan all the same, and its registration tells what is wrong.
    """
    try:
        found = list_series(folder, skip_damaged=True) or list_series(folder)
    except InputError:
        return None
    if not found and not any(path.is_file() and is_dicom(path) for path in folder.iterdir()):
        return None
    return found


def _phase(texts: Iterable[str]) -> Phase | None:
    """The phase that the first text tells which tells one."""
    return next((phase for text in texts if (phase := phase_from_name(text))), None)


def _printable(name: str) -> str:
    """A file's name that can be written to tables and pages, whatever its bytes are."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _places(folder: Path, seen: set[Path]) -> Iterator[_Place]:
    """The folders from ``folder`` down that hold image files, or others that may be slices.

    Those in ``seen`` are passed over, since links may lead back; it grows by each that is not.
    """
    real = folder.resolve()
    if real in seen:
        return
    seen.add(real)
    if holds_batch(folder):
        yield _Place(folder, [folder / STATE_NAME], slices=False)
        return
    entries = sorted(path for path in folder.iterdir() if _visible(path))
    files = [path for path in entries if path.is_file()]
    volumes = [path for path in files if path.name.lower().endswith(IMAGE_SUFFIXES)]
    # Beside image files lies much that is none, so there only the content counts.
    slices = any(is_dicom(path) if volumes else _may_be_dicom(path) for path in files)
    if volumes or slices:
        yield _Place(folder, volumes, slices)
    for path in entries:
        if path.is_dir():
            yield from _places(path, seen)


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _may_be_dicom(path: Path) -> bool:
    if path.name.upper() == "DICOMDIR":
        return False
    # Archives name slices by their UIDs, whose last part looks like a suffix.
    return path.suffix.lower() in (".dcm", ".ima", "") or is_dicom(path)
