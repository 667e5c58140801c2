"""Cohorts of phantoms by seed are written once, and again when their generator has changed."""

import json
import shutil
from pathlib import Path

import pytest

from jssr.errors import InputError
from jssr.evaluation.open_cohort import open_cohort
from sample_cohort import write_manifest_cohort


def test_phantoms_are_made_once_and_only_as_many_as_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def write(
        folder: Path, patients: int, seed: int, *arguments: object, **options: object
    ) -> None:
        made.append((patients, seed))
        shutil.rmtree(folder, ignore_errors=True)
        write_manifest_cohort(folder, patients)

    monkeypatch.setattr("jssr.evaluation.open_cohort.write_cohort", write)
    for _ in range(2):
        cases = open_cohort("phantoms:40-49", tmp_path, limit=2, progress=lambda *_: None)
    assert len(cases) == 2
    assert made == [(2, 40)]
    manifest = tmp_path / "phantoms" / "40-41" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text("utf-8")), "generator": 0}))
    open_cohort("phantoms:40-41", tmp_path, progress=lambda *_: None)
    assert made == [(2, 40), (2, 40)]
    with pytest.raises(InputError, match="lower seed first"):
        open_cohort("phantoms:9-3", tmp_path, progress=lambda *_: None)
