"""The phantom patient that serves as sample data: one scan a phase, moved between them."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from jssr.device import choose_device
from jssr.errors import Cancelled
from jssr.io.atomic import OutputFolder
from jssr.io.images import write_image
from jssr.labels import Phase
from jssr.phantom.cohort import pair_geometry
from jssr.phantom.options import PairOptions, PatientOptions
from jssr.phantom.pair import PhantomPair, make_pair
from jssr.phantom.patient import Patient, make_patient
from jssr.service.protocol import PhantomJob
from jssr.service.server import JobContext

_EXTENT_MM = (360.0, 320.0, 240.0)
"""Size of the scans along x, y and z; a trunk from the lungs to the kidneys."""

_ANATOMY = PatientOptions(center_z_mm=10.0, lesions=3)
"""Liver and kidneys lie whole in the scans, and there is a lesion to look for."""


def make_phantom(job: PhantomJob, context: JobContext) -> Mapping[str, Any]:
    """Write ``<phase>.nii.gz`` for the four phases of a patient into the job's output folder."""
    x, y, z = (round(extent / job.spacing_mm / 16) * 16 for extent in _EXTENT_MM)
    context.progress("Draw the patient", 0.0)
    device = choose_device(job.device)
    patient = make_patient(job.seed, (z, y, x), job.spacing_mm, device=device, options=_ANATOMY)
    files = {}
    with OutputFolder(job.output) as folder:
        for number, (phase, pair, scan) in enumerate(_scans(patient, job.seed, context)):
            context.progress("Scan the patient", (number + 1) / len(Phase))
            name = f"{phase.value}.nii.gz"
            hu = scan.round().to(torch.int16).cpu().numpy()
            write_image(pair_geometry(pair).image(hu), folder / name)
            files[phase.value] = str(job.output / name)
    return {"output": str(job.output), "files": files}


def _scans(
    patient: Patient, seed: int, context: JobContext
) -> Iterator[tuple[Phase, PhantomPair, torch.Tensor]]:
    """Each phase with its scan; the portal-venous one is where the patient was drawn."""
    others = [phase for phase in Phase if phase is not Phase.PORTAL_VENOUS]
    for number, phase in enumerate(others):
        if context.cancelled():
            raise Cancelled
        options = PairOptions(
            contrast="physiological",
            fixed_phase=Phase.PORTAL_VENOUS,
            moving_phase=phase,
            reshape_mm=0.0,
            artefacts=0.0,
            physiology_seed=seed,
        )
        pair = make_pair(patient, seed * len(Phase) + number, options=options)
        if number == 0:
            yield Phase.PORTAL_VENOUS, pair, pair.fixed_hu
        yield phase, pair, pair.moving_hu
