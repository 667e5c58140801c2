"""A folder of studies: one folder a patient, with image files or DICOM slices below it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from jssr.batch.reconstructions import Found, one_of_each
from jssr.batch.study import LeftOut, ScanFile, Study
from jssr.errors import InputError, counted
from jssr.io.dicom import is_dicom, list_series
from jssr.io.dicom_series import DicomSeries
from jssr.io.reading import reading
from jssr.labels import Phase
from jssr.phase_name import phase_from_name

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")


def read_folder(root: Path) -> list[Study]:
    """The patients below ``root``, in the order of their names; empty folders are passed over.

    Phases are taken from the names of files and folders, and from the descriptions of DICOM series.

    Raises:
        InputError: ``root`` must not be read.
    """
    with reading(root):
        folders = sorted(path for path in root.iterdir() if path.is_dir() and _visible(path))
    studies = [_study(folder) for folder in folders]
    return [study for study in studies if study.scans or study.left_out or study.fault]


def _study(folder: Path) -> Study:
    patient = _printable(folder.name)
    found: list[Found] = []
    left_out: list[LeftOut] = []
    try:
        for path in _images(folder):
            names = path.relative_to(folder).parts[::-1]
            series = None if path.is_file() else _series(path)
            if series is None:
                found.append(Found(ScanFile(patient, path, _phase(names))))
                continue
            found += _scans(patient, path, names, [one for one in series if not one.no_scan])
            left_out += [LeftOut(one.title, one.no_scan) for one in series if one.no_scan]
    except OSError as error:
        fault = f"has files that cannot be read ({error.strerror or error}); check the permissions"
        return Study(patient, (), fault=fault)
    scans, doubles = one_of_each(found)
    return Study(patient, scans, (*left_out, *doubles))


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


def _images(folder: Path) -> Iterator[Path]:
    """Image files below ``folder``, and the folders with other files, which DICOM slices are in."""
    entries = sorted(path for path in folder.iterdir() if _visible(path))
    files = [path for path in entries if path.is_file()]
    volumes = [path for path in files if path.name.lower().endswith(IMAGE_SUFFIXES)]
    yield from (path for path in volumes if not path.name.lower().endswith(".seg.nrrd"))
    if not volumes and any(_may_be_dicom(path) for path in files):
        yield folder
    for path in entries:
        if path.is_dir():
            yield from _images(path)


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _may_be_dicom(path: Path) -> bool:
    if path.name.upper() == "DICOMDIR":
        return False
    # Archives name slices by their UIDs, whose last part looks like a suffix.
    return path.suffix.lower() in (".dcm", ".ima", "") or is_dicom(path)
