"""The demonstration: a phantom patient, registered from files, measured against the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from jssr.bundle.load import load_bundle
from jssr.evaluation.ablation import without_generator, without_register
from jssr.evaluation.cohort import Case, CaseData, load_case, read_cohort
from jssr.evaluation.figures import registration_figures
from jssr.evaluation.statistics import Row
from jssr.io.atomic import OutputFolder
from jssr.io.transforms import read_transform
from jssr.labels import LABELS, Phase
from jssr.phantom.cohort import write_cohort
from jssr.phantom.options import PairOptions, PatientOptions
from jssr.registration.files import Moving, ReportWriter, Request, register_files
from jssr.registration.pipeline import register
from jssr.registration.result import Output, ProgressCallback, Refine, Verdict
from jssr.registration.write import OUTPUT_FILES
from jssr.section import Section
from jssr.spatial.transform import SpatialTransform

PATIENT_FOLDER = "patient"
_SHAPE_ZYX, _SPACING_MM = (72, 96, 128), 3.0
_LIVER_LEVEL_MM, _LESIONS = 30.0, 4
# Seeds from here to 1,000,000 belong to demonstrations; no training draws them.
_FIRST_SEED = 900_000


@dataclass(frozen=True)
class Demonstration:
    """What a demonstration shows."""

    sections: tuple[Section, ...]
    report: Path
    verdict: Verdict


def demonstrate(
    output: Path,
    device: torch.device,
    *,
    report: ReportWriter,
    progress: ProgressCallback,
    warn: Callable[[str], None],
    model: Path | None = None,
    refine: Refine = Refine.FAST,
    ablation: bool = False,
    seed: int = 0,
    overwrite: bool = False,
) -> Demonstration:
    """Makes a phantom patient, registers its files as any other, and measures the saved transform.

    With ``ablation`` the pair is registered also with the generator replaced by the identity and
    with the register replaced by zero, all three without refinement.
    """
    owned = (PATIENT_FOLDER, *OUTPUT_FILES.values())
    with OutputFolder(output, overwrite=overwrite, owned=owned) as folder:
        progress("Make the patient", 0.0)
        case = make_case(folder / PATIENT_FOLDER, seed)
        request = Request(
            fixed=case.fixed,
            moving=[Moving(case.moving, case.moving_phase)],
            output=folder,
            model=model,
            fixed_phase=case.fixed_phase,
            refine=refine,
            seed=seed,
            overwrite=True,  # beside the patient, in a folder that is this run's own
        )
        (result,) = register_files(request, device, report=report, progress=progress, warn=warn)
        progress("Measure", 1.0)
        data = load_case(case)
        saved = read_transform(folder / OUTPUT_FILES[Output.TRANSFORM])
        transforms = {
            "before": SpatialTransform(np.eye(4)),
            "rigid": SpatialTransform(result.fixed_to_moving.linear),
            "registered": saved,
        }
        if ablation:
            transforms |= _ablated(data, model, device, seed)
        rows = {name: registration_figures(data, one) for name, one in transforms.items()}
    times = [(step, f"{seconds:.1f} s") for step, seconds in result.metrics.seconds.items()]
    return Demonstration(
        (*_figure_sections(rows), Section("Time", ("step", "time"), times)),
        output / OUTPUT_FILES[Output.REPORT],
        result.verdict,
    )


def make_case(folder: Path, seed: int) -> Case:
    """Writes a cohort of one pair, portal-venous and arterial, and gives its files."""
    write_cohort(
        folder,
        1,
        _FIRST_SEED + seed,
        _SHAPE_ZYX,
        _SPACING_MM,
        patient_options=PatientOptions(center_z_mm=_LIVER_LEVEL_MM, lesions=_LESIONS),
        pair_options=PairOptions(
            contrast="physiological", fixed_phase=Phase.PORTAL_VENOUS, moving_phase=Phase.ARTERIAL
        ),
    )
    (case,) = read_cohort(folder)
    return case


def _ablated(
    data: CaseData, model: Path | None, device: torch.device, seed: int
) -> dict[str, SpatialTransform]:
    bundle = load_bundle(model, device)
    variants = {
        "networks alone": bundle,
        "no generator": without_generator(bundle),
        "no register": without_register(bundle),
    }
    wanted = frozenset({Output.TRANSFORM})
    return {
        name: register(
            data.fixed, data.moving, variant, refine=Refine.OFF, outputs=wanted, seed=seed
        ).fixed_to_moving
        for name, variant in variants.items()
    }


def _figure_sections(rows: Mapping[str, Row]) -> tuple[Section, Section]:
    errors = [
        (title, *(_text(row.get(name), form) for row in rows.values()))
        for title, name, form in (
            ("body error, mm", "error_body_mm", ".2f"),
            ("liver error, mm", "error_liver_mm", ".2f"),
            ("folding, % of body", "folding_percent", ".4f"),
        )
    ]
    organs = [
        (label.title, *(_text(row.get(f"dice_{label.name}"), ".3f") for row in rows.values()))
        for label in LABELS
        if any(f"dice_{label.name}" in row for row in rows.values())
    ]
    return (
        Section("Against the known deformation", ("", *rows), errors),
        Section("Dice with the known organs", ("organ", *rows), organs),
    )


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
