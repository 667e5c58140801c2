"""Which files an image is read from, and their stamps, which tell that one was changed."""

from pathlib import Path

from jssr.io.dicom import is_dicom


def image_files(image: Path) -> list[Path]:
    """What is read of an image file, a folder of DICOM slices, or one slice, as far as it may be.

    With a slice, these are all files that lie beside it.
    """
    try:
        if image.is_dir():
            return sorted(image.iterdir())
        if image.is_file() and is_dicom(image):
            return sorted(path for path in image.parent.iterdir() if path.is_file())
    except OSError:  # reading will tell
        pass
    return [image]


def stamps(image: Path) -> list[int | None]:
    """Size and time of each file of an image; ``None`` for one that is not there."""
    return [number for path in image_files(image) for number in _stamp(path)]


def _stamp(path: Path) -> tuple[int | None, ...]:
    try:
        status = path.stat()
    except OSError:
        return (None,)
    return status.st_size, status.st_mtime_ns
