"""Read the files of a bundle from a folder, from a zip or from the installed package."""

import io
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Protocol

from jssr.bundle.manifest import MANIFEST_NAME
from jssr.errors import BundleError

DEFAULT_TITLE = "default"

ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
)
"""What zipfile raises for a damaged archive beside OSError: a flipped byte may ask for a password,
for a method or a version that nobody has (RuntimeError), or spoil a name or an offset (ValueError).
"""


class Place(Protocol):
    """What a folder, a zip's folder and a package's folder have in common."""

    def __truediv__(self, name: str, /) -> "Place": ...

    def is_file(self) -> bool: ...

    def read_bytes(self) -> bytes: ...


@dataclass(frozen=True)
class BundleSource:
    """The place of a bundle; ``title`` names it in messages without its path."""

    root: Place
    title: str

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            BundleError: the file is missing or cannot be read.
        """
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, KeyError, IsADirectoryError) as error:
            raise BundleError(
                f"The model bundle {self.title} is not complete: it has no {name}; "
                "get the bundle again."
            ) from error
        except PermissionError as error:
            raise _unreadable(self.title, error) from error
        except (OSError, *ZIP_FAULTS) as error:
            raise BundleError(
                f"The model bundle {self.title} is damaged: {name} cannot be read ({error}); "
                "get the bundle again."
            ) from error


def open_source(path: Path | None) -> BundleSource:
    """The bundle at ``path``, a folder or a zip; ``None`` is the default bundle.

    Raises:
        BundleError: nothing is there or can be read, or it is neither a folder nor a zip with a
            manifest.
    """
    if path is None:
        root = resources.files("jssr") / "models" / "default"
        if not (root / MANIFEST_NAME).is_file():
            raise BundleError(
                "The default model is missing from this installation; install JSSR again or "
                "choose another model."
            )
        return BundleSource(root, DEFAULT_TITLE)
    try:
        return _given_source(path)
    except OSError as error:
        raise _unreadable(path.name, error) from error


def _given_source(path: Path) -> BundleSource:
    if not path.exists():
        raise BundleError(f"There is no model bundle {path}; give its folder or zip.")
    root = path if path.is_dir() else _zip_root(path)
    if not (root / MANIFEST_NAME).is_file():
        raise BundleError(
            f"{path.name} is no model bundle: it has no {MANIFEST_NAME}; give the folder "
            "that 'jssr export' wrote, or a zip of it."
        )
    return BundleSource(root, path.name)


def _unreadable(title: str, error: OSError) -> BundleError:
    return BundleError(
        f"The model bundle {title} cannot be read ({error.strerror or error}); make it readable, "
        "or choose another model."
    )


def _zip_root(path: Path) -> Place:
    """The folder of a zip that holds the manifest: its top, or the one folder in it."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    except ZIP_FAULTS as error:
        raise BundleError(
            f"{path.name} is no model bundle: it is neither a folder nor a readable zip; give the "
            "folder that 'jssr export' wrote, or a zip of it."
        ) from error
    root = zipfile.Path(archive)
    names = archive.namelist()
    folders = {PurePosixPath(name).parent for name in names if name.endswith("/" + MANIFEST_NAME)}
    if MANIFEST_NAME not in names and len(folders) == 1:
        return root / str(folders.pop())
    return root
