"""Finds out what lies at a path."""

from pathlib import Path

from jssr.errors import InputError
from jssr.info import batch, bundle, image, result, training_run
from jssr.io.dicom import list_series
from jssr.io.images import read_image
from jssr.section import Section


def describe(path: Path | None) -> list[Section]:
    """The tables for whatever lies at ``path``; ``None`` is the default model.

    Raises:
        InputError: nothing is there that JSSR knows, or it is damaged.
    """
    if path is None:
        return bundle.describe_bundle(None)
    if batch.is_batch(path):
        return [batch.describe_batch(path)]
    if training_run.is_run(path):
        return [training_run.describe_run(path)]
    if bundle.is_bundle(path):
        return bundle.describe_bundle(path)
    if not path.exists():
        raise InputError(f"There is no file or folder '{path}'; check the path.")
    if path.is_dir():
        return _describe_folder(path)
    return [image.describe_image(read_image(path))]


def _describe_folder(folder: Path) -> list[Section]:
    """The tables for one or several results, or for DICOM slices."""
    found = result.metrics_files(folder)
    if found:
        return [section for metrics in found for section in result.describe_result(metrics)]
    series = list_series(folder, skip_damaged=True) or list_series(folder)
    if len(series) > 1:
        return [image.describe_series(series)]
    if series:
        return [image.describe_image(read_image(folder))]
    outputs = result.describe_outputs(folder)
    if outputs is None:
        raise InputError(
            f"'{folder}' holds no DICOM image, and nothing that register, batch, train or export "
            "has written; give one of their folders, or the folder in which the slices lie."
        )
    return [outputs]
