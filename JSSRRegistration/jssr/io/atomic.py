"""Files and folders that appear whole or not at all."""

import errno
import glob
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from jssr.errors import InputError, ResourceError
from jssr.io.reading import check_name

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def no_space_error(path: Path) -> ResourceError:
    """What to raise when ``path`` cannot be written for want of space."""
    return ResourceError(
        f"There is no space left to write '{path}'; free some or choose another output folder."
    )


def explain_write_failure(error: BaseException | None, path: Path) -> InputError | None:
    """The sentence for ``error``, met while writing ``path``; ``None`` if it is no such failure."""
    if not isinstance(error, OSError):
        return None
    if error.errno in _NO_SPACE:
        return no_space_error(path)
    if error.errno in _NOT_ALLOWED:
        return ResourceError(f"'{path}' cannot be written for want of permission; choose another.")
    if error.errno == errno.ENOTDIR:
        return InputError(f"'{path}' would lie inside a file; choose another output folder.")
    if error.errno == errno.ENAMETOOLONG:
        return InputError(f"The name '{path}' is too long; choose a shorter one.")
    return None


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Raises the sentence of :func:`explain_write_failure` in place of an error that has one."""
    try:
        yield
    except OSError as error:
        explained = explain_write_failure(error, path)
        if explained is None:
            raise
        raise explained from error


def make_folder(path: Path) -> None:
    """Makes the folder ``path`` with its parents, unless it is there.

    Raises:
        InputError: there is a file of that name, it cannot be made, or the name is no Unicode.
    """
    check_name(path)
    try:
        if path.is_file():
            raise InputError(f"The output '{path}' is a file; give a folder.")
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refusal(error, path) from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a hidden path beside ``path`` to write to, and renames it to ``path`` at success.

    The hidden name keeps the suffix, by which writers choose the format.

    Raises:
        InputError: there is no space or no permission, the disk failed, the folder is missing, or
            its name is no Unicode.
    """
    check_name(path)
    part = path.with_name(f".{os.getpid()}-part-{path.name}")
    try:
        with explaining(path):
            if not path.parent.is_dir():
                raise InputError(f"The folder of '{path}' does not exist; make it first.")
            _create(part, path)
            yield part
            os.replace(part, path)
    finally:
        with suppress(OSError):  # nothing could be written either
            part.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Writes ``content`` as readable JSON in UTF-8; the file appears whole or not at all.

    Raises:
        InputError: as :func:`whole_file`.
        ValueError: there is a NaN or an infinity in it, which JSON does not have.
        TypeError: there is something else in it that JSON does not have.
    """
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _create(part: Path, path: Path) -> None:
    """Makes the empty ``part``: the system tells what forbids to write ``path``, ITK does not."""
    try:
        part.touch()
    except OSError as error:
        raise _refusal(error, path) from error


def _refusal(error: OSError, path: Path) -> InputError:
    """The sentence for any ``error`` that was met in making ``path``, before there is work in it.

    Later a missing file, say, may be another one than ``path``.
    """
    return explain_write_failure(error, path) or ResourceError(
        f"'{path}' cannot be written ({error.strerror or error}); "
        "check its name and its disk, or choose another."
    )


class OutputFolder:
    """Context manager: a folder that appears with all its files at success, or not at all.

    The files are written to a hidden folder, ``with OutputFolder(path) as folder``: a sibling that
    is moved into place at the end, or, since a folder that is there may be a disk of its own, one
    inside of it, whose files are. It is removed after any exception, Ctrl-C included.

    A folder that is there already and holds something is refused, unless ``overwrite`` is set.
    Then only entries named in ``owned``, or written anew, are replaced; whatever else lies there
    stays.

    Raises:
        InputError: the output exists, cannot be written, or is no Unicode, or the disk is full.
    """

    def __init__(
        self,
        path: Path,
        *,
        overwrite: bool = False,
        owned: Collection[str] = (),
    ) -> None:
        self._path = path.absolute()
        self._overwrite = overwrite
        self._owned = frozenset(owned)
        self._made_parents: list[Path] = []
        self._part: Path | None = None

    def __enter__(self) -> Path:
        check_name(self._path)
        try:
            self._refuse_existing()
            self._make_parents()
            self._part = _beside_or_inside(self._path, "part")
        except BaseException as error:
            self._remove_parents()
            if isinstance(error, OSError):
                raise _refusal(error, self._path) from error
            raise
        return self._part

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        part = self._part
        assert part is not None, "left without having been entered"
        try:
            if error is None:
                self._commit(part)
        except BaseException as failure:
            self._discard(part)
            self._raise_explained(failure)
            raise
        self._discard(part, keep_parents=error is None)
        if isinstance(error, InputError) and str(part) in str(error):
            # A file in the hidden folder could not be written: users know the visible one.
            raise type(error)(str(error).replace(str(part), str(self._path))) from error
        self._raise_explained(error)

    def _refuse_existing(self) -> None:
        path = self._path
        if path.exists() and not path.is_dir():
            raise InputError(f"The output '{path}' is a file; give a folder.")
        if path.is_dir() and set(path.iterdir()) - set(leftovers(path)) and not self._overwrite:
            raise InputError(
                f"The output folder '{path}' already holds files; "
                "add --overwrite to replace them, or choose another."
            )

    def _make_parents(self) -> None:
        missing = [p for p in self._path.parents if not p.exists()]
        for parent in reversed(missing):
            parent.mkdir()
            self._made_parents.append(parent)

    def _discard(self, part: Path, *, keep_parents: bool = False) -> None:
        shutil.rmtree(part, ignore_errors=True)
        if not keep_parents:
            self._remove_parents()

    def _remove_parents(self) -> None:
        for parent in reversed(self._made_parents):
            try:
                parent.rmdir()
            except OSError:
                return  # somebody else put something there meanwhile

    def _raise_explained(self, error: BaseException | None) -> None:
        explained = explain_write_failure(error, self._path)
        if explained is not None:
            raise explained from error

    def _commit(self, part: Path) -> None:
        if not self._path.exists():
            os.replace(part, self._path)
            return
        names = {entry.name for entry in part.iterdir()}
        backup = _beside_or_inside(self._path, "old")
        moved: list[str] = []
        placed: list[str] = []
        try:
            for name in sorted(self._owned | names):
                if (self._path / name).exists():
                    os.replace(self._path / name, backup / name)
                    moved.append(name)
            for name in sorted(names):
                os.replace(part / name, self._path / name)
                placed.append(name)
        except BaseException:
            for name in placed:
                _remove(self._path / name)
            for name in moved:
                os.replace(backup / name, self._path / name)
            raise
        finally:
            shutil.rmtree(backup, ignore_errors=True)


def leftovers(path: Path) -> list[Path]:
    """Hidden folders for the output ``path`` that a process which was killed left behind."""
    pattern = f".{glob.escape(path.name)}-*"
    return [*path.parent.glob(pattern), *path.glob(pattern)]


def hidden_folder(place: Path, prefix: str) -> Path:
    """A new folder in ``place`` with a random name that begins with a dot and ``prefix``.

    Not tempfile's: those are for their owner alone, and on Windows stay so under another name.
    """
    folder = place / f".{prefix}-{secrets.token_hex(4)}"
    folder.mkdir()
    return folder


def _beside_or_inside(path: Path, kind: str) -> Path:
    """A hidden folder for the output ``path`` on the disk where its files will lie."""
    return hidden_folder(path if path.is_dir() else path.parent, f"{path.name}-{kind}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
