"""One case of a batch as a Slicer scene."""

from pathlib import Path
from typing import Any

from jssr.batch.cases import Case
from jssr.batch.state import Outcome
from jssr.errors import JSSRError
from jssr.io.images import read_scan
from jssr.registration.result import Output
from jssr.registration.write import OUTPUT_FILES
from JSSRRegistrationLib.outputs import SceneOutput, workerOutput
from JSSRRegistrationLib.results import Finished, Pair, makeNodes
from JSSRRegistrationLib.volumes import addScan

SCENE_NAME = "scene.mrb"


def saveCaseScene(scene: Any, case: Case, outcome: Outcome, folder: Path) -> None:
    """Save scans and results of a finished case as ``scene.mrb``, unless it is there already and
    newer than the results.

    ``scene`` is cleared before and after.

    Raises:
        JSSRError: the scene could not be written.
    """
    path = folder / SCENE_NAME
    if path.exists() and path.stat().st_mtime_ns >= _newest(folder):
        return
    scene.Clear(0)
    try:
        _fill(scene, case, outcome, folder)
        part = folder / f"part-{SCENE_NAME}"
        if not scene.WriteToMRB(str(part)):
            part.unlink(missing_ok=True)
            raise JSSRError(f"The scene '{path}' could not be written; is there space left?")
        part.replace(path)
    finally:
        scene.Clear(0)


def _newest(folder: Path) -> int:
    files = (folder / name for name in OUTPUT_FILES.values())
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


def _fill(scene: Any, case: Case, outcome: Outcome, folder: Path) -> None:
    summary = outcome.summary
    fixed = addScan(scene, summary["fixed_phase"]["phase"] or "fixed", read_scan(case.fixed.image))
    moving = addScan(
        scene, summary["moving_phase"]["phase"] or "moving", read_scan(case.moving.image)
    )
    files = {output: folder / name for output, name in OUTPUT_FILES.items()}
    files = {output: file for output, file in files.items() if file.is_file()}
    outputs = {output for output in SceneOutput if _available(output, files)}
    makeNodes(scene, Pair(fixed, moving), Finished(files, summary), outputs, {})


def _available(output: SceneOutput, files: dict[Output, Path]) -> bool:
    return workerOutput(output) is Output.METRICS or workerOutput(output) in files
