"""What lies at a path is found out, or told to be nothing that is known."""

from pathlib import Path

import pytest

from jssr.errors import InputError
from jssr.info import describe


def test_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file or folder"):
        describe(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no DICOM image"):
        describe(tmp_path)
