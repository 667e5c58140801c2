"""Temporary folders for the volumes that travel to the worker, removed also after a crash."""

import shutil
import tempfile
import time
from pathlib import Path

from jssr.errors import ResourceError

_PREFIX = "jssr-job-"
_STALE_S = 24 * 3600


class TemporaryFolder:
    """A folder of this process; ``close`` removes it.

    The worker removes it when this process dies, and this process when the worker dies. Should both
    die at once, as in a power cut, the next one that is made removes what is older than a day.

    Raises:
        ResourceError: it cannot be made.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _removeStale(parent)
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        except OSError as error:
            raise ResourceError(
                f"The temporary folder '{parent}' cannot be used ({error.strerror}); choose "
                "another in Slicer's settings."
            ) from error

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _removeStale(parent: Path) -> None:
    for folder in parent.glob(_PREFIX + "*"):
        try:
            old = time.time() - folder.stat().st_mtime > _STALE_S
        except OSError:
            continue
        if old:
            shutil.rmtree(folder, ignore_errors=True)
