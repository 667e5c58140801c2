"""Temporary folders, and the ones that a power cut left behind."""

import os
import time
from pathlib import Path

from JSSRRegistrationLib.temporary import TemporaryFolder


def test_it_is_gone_after_closing(tmp_path: Path) -> None:
    folder = TemporaryFolder(tmp_path / "new")
    (folder.path / "volume.nrrd").write_bytes(b"voxels")
    folder.close()
    assert list((tmp_path / "new").iterdir()) == []


def test_old_ones_are_swept_and_fresh_ones_and_strangers_kept(tmp_path: Path) -> None:
    old, fresh, stranger = (tmp_path / n for n in ("jssr-job-old", "jssr-job-fresh", "other"))
    for folder in (old, fresh, stranger):
        folder.mkdir()
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    os.utime(stranger, (yesterday, yesterday))
    made = TemporaryFolder(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"jssr-job-fresh", "other", made.path.name}
