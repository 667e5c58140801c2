"""What keeps a path from being read, or taken at all, in one sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jssr.errors import InputError, ResourceError


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around the system's own calls on ``path``.

    Raises:
        InputError: ITK cannot take the name.
        ResourceError: there is no permission, or the disk or the network failed.
    """
    check_name(path)
    try:
        yield
    except PermissionError as error:
        raise ResourceError(
            f"'{path}' cannot be read for want of permission; ask for it, or give a copy."
        ) from error
    except OSError as error:
        raise ResourceError(
            f"'{path}' cannot be read ({error.strerror or error}); check its disk, or give a copy."
        ) from error


def check_name(path: Path) -> None:
    """Refuses a path that is no Unicode, on which ITK would end the whole process.

    Raises:
        InputError: always in that case.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="replace")
        raise InputError(
            f"The path '{shown}' has characters that are not UTF-8; rename the file or its folder."
        ) from None


def check_there(path: Path) -> None:
    """Refuses a path where neither a file nor a folder is.

    Raises:
        InputError: as :func:`reading`, or there is nothing.
    """
    with reading(path):
        if not path.exists():
            raise InputError(f"There is no file or folder '{path}'; check the path.")


def check_file(path: Path) -> None:
    """Refuses a path that is no file, or one that may not be opened: ITK would call it damaged.

    Raises:
        InputError: as :func:`reading`, or there is no file.
    """
    with reading(path):
        if not path.is_file():
            raise InputError(f"There is no file '{path}'; check the path.")
        path.open("rb").close()
