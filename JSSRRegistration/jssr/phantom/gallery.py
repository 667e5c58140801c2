"""A contact sheet of phantom patients in all four phases."""

from pathlib import Path

import numpy as np
from torch import Tensor

from jssr.errors import InputError
from jssr.io.atomic import whole_file
from jssr.labels import Phase
from jssr.phantom.options import PairOptions, PatientOptions
from jssr.phantom.pair import make_pair
from jssr.phantom.patient import Patient, make_patient

LEVEL_HU, WIDTH_HU = 40.0, 400.0
SHAPE_ZYX, SPACING_MM = (112, 128, 160), 2.5


def check_gallery(path: Path) -> None:
    """Refuses a path where no sheet can be saved, before it is drawn.

    Raises:
        InputError: the folder is missing, or the suffix is not ``.png``.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"The sheet '{path}' would be a PNG; give it a name in .png.")
    if not path.parent.is_dir():
        raise InputError(f"The folder of '{path}' does not exist; make it first.")


def draw_gallery(path: Path, seed: int, patients: int = 8) -> None:
    """Save a sheet with a row for each patient: four axial, then four coronal views.

    Window 40/400, radiological convention: the patient's right is on the left.

    Raises:
        InputError: see :func:`check_gallery`; or there is no space or no permission.
    """
    check_gallery(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(24, 2.55 * patients), facecolor="black")
    axes = figure.subplots(patients, 8, squeeze=False)
    for row in range(patients):
        options = PatientOptions(center_z_mm=20.0)
        patient = make_patient(seed + row, SHAPE_ZYX, SPACING_MM, options=options)
        for column, (phase, volume) in enumerate(phase_volumes(patient, seed).items()):
            level = round(0.5 * SHAPE_ZYX[0]) + 4 * (row % 4) - 8
            axial = volume[level]
            coronal = volume[:, round(0.5 * SHAPE_ZYX[1]) - 4].flip(0)
            for place, plane in ((column, axial), (column + 4, coronal)):
                _show(axes[row][place], plane.numpy())
                if row == 0:
                    axes[row][place].set_title(phase.value, color="white")
    figure.subplots_adjust(0.0, 0.0, 1.0, 0.98, 0.01, 0.01)
    with whole_file(path) as part:
        figure.savefig(part, dpi=75, facecolor="black")


def phase_volumes(patient: Patient, seed: int) -> dict[Phase, Tensor]:
    """Scans of a patient in the four phases, without motion between them, (z, y, x) HU."""
    scans: dict[Phase, Tensor] = {}
    for fixed, moving in (
        (Phase.NON_CONTRAST, Phase.ARTERIAL),
        (Phase.PORTAL_VENOUS, Phase.DELAYED),
    ):
        options = PairOptions(
            contrast="physiological",
            fixed_phase=fixed,
            moving_phase=moving,
            breathing=0.0,
            residual=0.0,
            rigid=0.0,
            reshape_mm=0.0,
            artefacts=0.0,
        )
        pair = make_pair(patient, seed, options=options)
        scans[fixed], scans[moving] = pair.fixed_hu.cpu(), pair.moving_hu.cpu()
    return scans


def _show(axis, plane: np.ndarray) -> None:
    axis.imshow(
        plane,
        cmap="gray",
        vmin=LEVEL_HU - 0.5 * WIDTH_HU,
        vmax=LEVEL_HU + 0.5 * WIDTH_HU,
        interpolation="bilinear",
    )
    axis.set_anchor("N")
    axis.set_axis_off()
