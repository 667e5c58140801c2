"""A made-up registration: a smooth known transform, and a runner that answers with it at once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import Cancelled, JSSRError
from jssr.labels import Phase
from jssr.registration.result import (
    Deformation,
    LesionFigures,
    MeanIntensity,
    Metrics,
    OrganFigures,
    Output,
    PhaseGuess,
    Refine,
    RegistrationResult,
    Verdict,
    VerdictLevel,
)
from jssr.registration.write import OUTPUT_FILES, write_result
from jssr.service.protocol import Job, Message, RegisterJob
from jssr.service.runner import Listener
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform, resample
from sample_results import make_metrics, make_result

LINEAR = np.array(
    [[0.998, -0.06, 0.01, 4.0], [0.06, 0.998, 0.02, -6.0], [-0.01, -0.02, 0.999, 9.0], [0, 0, 0, 1]]
)


def smooth_transform(fixed: sitk.Image, inverse: bool = False) -> SpatialTransform:
    """A linear part and waves of some millimetres on a coarse grid around ``fixed``.

    The inverse has its own waves: it is not the true inverse, so a mix-up of the two shows.
    """
    corners = Geometry.of(fixed).corners_mm()
    spacing = 6.0
    low = corners.min(axis=0) - 30.0
    size = np.ceil((corners.max(axis=0) + 30.0 - low) / spacing).astype(int) + 1
    x, y, z = (int(n) for n in size)
    grid = Geometry((x, y, z), (spacing,) * 3, tuple(float(v) for v in low))
    index = np.meshgrid(*(np.linspace(0, np.pi, n) for n in (z, y, x)), indexing="ij")
    window = np.sin(index[0]) * np.sin(index[1]) * np.sin(index[2])
    waves = [
        amplitude * window * np.cos(2 * index[axis]) for axis, amplitude in enumerate((5, -3, 4))
    ]
    field = np.stack(waves).astype(np.float32) * (-1 if inverse else 1)
    linear = np.linalg.inv(LINEAR) if inverse else LINEAR
    return SpatialTransform(linear, field, grid, linear_first=inverse)


def made_result(job: RegisterJob) -> tuple[RegistrationResult, sitk.Image, sitk.Image]:
    """What a registration with the smooth transform as its answer would give."""
    fixed, moving = sitk.ReadImage(str(job.fixed)), sitk.ReadImage(str(job.moving))
    forward = smooth_transform(fixed)
    exact = resample(sitk.Cast(moving, sitk.sitkFloat32), forward, Geometry.of(fixed))
    warped = sitk.Cast(sitk.Round(exact), sitk.sitkInt16)
    images = {
        Output.WARPED: warped,
        Output.DIFFERENCE: sitk.Cast(fixed, sitk.sitkInt16) - sitk.Cast(warped, sitk.sitkInt16),
        Output.SYNTHESIZED: Geometry((20, 18, 16), (4.0, 4.0, 4.0), (-40.0, -30.0, -20.0)).image(
            np.full((16, 18, 20), 60, np.int16)
        ),
        Output.FIXED_SEGMENTATION: blocks(fixed),
        Output.MOVING_SEGMENTATION: blocks(moving),
    }
    result = replace(
        make_result(),
        fixed_to_moving=forward,
        moving_to_fixed=smooth_transform(fixed, inverse=True),
        images={output: image for output, image in images.items() if output in job.outputs},
        fixed_phase=PhaseGuess(job.fixed_phase or Phase.PORTAL_VENOUS, job.fixed_phase is not None),
        moving_phase=PhaseGuess(job.moving_phase or Phase.ARTERIAL, job.moving_phase is not None),
        metrics=made_metrics(),
        verdict=Verdict(VerdictLevel.DOUBTFUL, ("The scans share little of the body.",)),
        model="made-up 1.0",
        refine=Refine.FAST,
        seed=job.seed,
    )
    return result, fixed, moving


def blocks(image: sitk.Image) -> sitk.Image:
    """A label map with three labels as boxes on the grid of ``image``."""
    geometry = Geometry.of(image)
    labels = np.zeros(geometry.shape_zyx, np.uint8)
    z, y, x = labels.shape
    labels[z // 4 : z // 2, y // 4 : y // 2, x // 4 : x // 2] = 1
    labels[z // 3, y // 3, x // 3] = 2
    labels[z // 2 :, : y // 3, : x // 3] = 4
    return geometry.image(labels)


def made_metrics() -> Metrics:
    organ = OrganFigures("liver", 0.91, 0.97, 1500.0, 1490.0, 0.012, False)
    return replace(
        make_metrics(),
        overlap_fraction=0.4,
        similarity_before=0.3,
        similarity_after=0.8,
        deformation=Deformation(3.0, 8.0, 12.0, 0.0001, 0.08, (0.0, 0.01, -0.03)),
        organs=(organ, replace(organ, name="spleen", dice_after=None, volume_change=None)),
        lesions=(
            LesionFigures((1.0, 2.0, 3.0), 14.0, 1.4, 0.03),
            LesionFigures((1.0, 2.0, 90.0), 12.0, 0.9, None),
        ),
        intensities=(MeanIntensity("liver", 110.0, 12.0, 60.0, 11.0),),
        seconds={"register": 2.0, "segment": 3.0},
    )


class MadeUpRunner:
    """Stands for :class:`jssr.service.runner.Runner`; answers when it is polled.

    ``fail`` gives an error instead for the jobs whose number it holds.
    """

    def __init__(self, fail: dict[int, JSSRError] | None = None) -> None:
        self.fail = fail or {}
        self.jobs: list[RegisterJob] = []
        self.hello: Message | None = None
        self.problem: JSSRError | None = None
        self.closed = 0
        self.before_answer: Callable[[], None] = lambda: None
        self._waiting: list[tuple[Job, Listener]] = []

    def submit(self, job: Job, listener: Listener) -> None:
        self._waiting.append((job, listener))

    def busy(self) -> bool:
        return bool(self._waiting)

    def start(self) -> None:
        self.hello = {"type": "hello", "devices": [{"name": "cpu", "free_bytes": 1}]}

    def wait(self, timeout_s: float) -> None:
        self.poll()

    def poll(self) -> None:
        if not self._waiting:
            return
        job, listener = self._waiting.pop(0)
        assert isinstance(job, RegisterJob)
        number = len(self.jobs)
        self.jobs.append(job)
        listener.progress("Register", 0.5)
        self.before_answer()
        if number in self.fail:
            listener.failed(self.fail[number])
        else:
            listener.finished(answer(job))

    def cancel(self) -> None:
        waiting, self._waiting = self._waiting, []
        for _, listener in waiting:
            listener.failed(Cancelled())

    def close(self) -> None:
        self.cancel()
        self.closed += 1


def answer(job: RegisterJob) -> Message:
    """Write the files as the worker does, and its result message."""
    result, fixed, moving = made_result(job)
    folder = Path(job.output)
    folder.mkdir()
    files = {}
    for output in job.outputs:
        name = f"{output.value}.nrrd" if output in result.images else OUTPUT_FILES[output]
        files[output.value] = str(folder / name)
        if output in result.images:
            sitk.WriteImage(result.images[output], files[output.value])
        elif output is Output.REPORT:
            Path(files[output.value]).write_text("<html></html>", encoding="utf-8")
        else:
            write_result(result, fixed, moving, folder, [output])
    return {
        "type": "result",
        "id": job.id,
        "output": str(folder),
        "files": files,
        **result.summary(),
    }
