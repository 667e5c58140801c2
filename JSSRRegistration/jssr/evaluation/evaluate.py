"""A bundle on a cohort: figures of every pair, summary, comparison with another evaluation."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from jssr import __version__
from jssr.bundle.load import Bundle, load_bundle
from jssr.errors import InputError, without_paths
from jssr.evaluation.cohort import Case, CaseData, load_case
from jssr.evaluation.evaluation_page import evaluation_page
from jssr.evaluation.figures import (
    compared_labels,
    covered_labels,
    lesions_of,
    registration_errors,
    registration_figures,
    segmentation_figures,
)
from jssr.evaluation.leakage import bundle_leakage
from jssr.evaluation.open_cohort import cohort_name, open_cohort
from jssr.evaluation.statistics import PairedTest, Row, compare, figure_names
from jssr.evaluation.synthesis import synthesis_figures
from jssr.evaluation.tables import summaries, write_csv
from jssr.io.atomic import OutputFolder, whole_file, write_json
from jssr.labels import label_index
from jssr.memory import forget_peak
from jssr.registration.apply import warp_labels
from jssr.registration.pipeline import register
from jssr.registration.result import (
    Output,
    ProgressCallback,
    Refine,
    RegistrationResult,
    VerdictLevel,
)
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform

CASES_FILE, SUMMARY_FILE, PAGE_FILE = "cases.csv", "summary.json", "evaluation.html"

LESION_FOUND_FROM = 0.1
"""A lesion counts as found if so much of it is labelled as lesion."""

_OUTPUTS = (Output.SYNTHESIZED, Output.FIXED_SEGMENTATION, Output.MOVING_SEGMENTATION)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a bundle is evaluated; ``against`` is the folder of another evaluation."""

    refine: Refine = Refine.OFF
    seed: int = 0
    limit: int | None = None
    against: Path | None = None
    overwrite: bool = False


def evaluate_bundle(
    bundle_path: Path,
    cohort: str,
    output: Path,
    device: torch.device,
    options: Options,
    progress: ProgressCallback,
    warn: Callable[[str], None],
) -> dict[str, Row]:
    """Registers every pair of a cohort with a bundle and writes tables and page into ``output``.

    A pair that is refused is listed with the reason, and the others go on.

    Args:
        cohort: a folder or a range of seeds, see :func:`jssr.evaluation.open_cohort.open_cohort`;
            phantoms are written beside ``output``, where other evaluations find them.
        warn: told of each pair that is refused.

    Returns:
        The figures of each registered pair by its name.

    Raises:
        InputError: bundle, cohort or the evaluation to compare with cannot be used, or every pair
            was refused.
    """
    bundle = load_bundle(bundle_path, device)
    earlier = None if options.against is None else read_cases(options.against)
    owned = (CASES_FILE, SUMMARY_FILE, PAGE_FILE)
    with OutputFolder(output, overwrite=options.overwrite, owned=owned) as folder:
        cases = open_cohort(cohort, output.parent, limit=options.limit, progress=progress)
        rows, refused = _measured(cases, bundle, options, progress, warn)
        tests = {} if earlier is None else paired_tests(earlier, rows)
        summary = {
            "jssr": __version__,
            "model": bundle.label,
            "cohort": cohort_name(cohort),
            "pairs": len(rows),
            "refused": refused,
            "refine": options.refine.value,
            "seed": options.seed,
            "figures": summaries(list(rows.values())),
            "compared": {name: asdict(test) for name, test in tests.items()},
        }
        keys = [{"pair": case.name, "refused": refused.get(case.name, "")} for case in cases]
        write_csv(folder / CASES_FILE, keys, [rows.get(case.name, {}) for case in cases])
        write_json(folder / SUMMARY_FILE, summary)
        with whole_file(folder / PAGE_FILE) as part:
            part.write_text(evaluation_page(summary, rows, tests), encoding="utf-8")
    return rows


def case_figures(data: CaseData, bundle: Bundle, refine: Refine, seed: int) -> Row:
    """Every figure of one pair registered with ``bundle``; ``before_``: the linear part alone."""
    case = data.case
    forget_peak()
    result = register(data.fixed, data.moving, bundle, refine=refine, outputs=_OUTPUTS, seed=seed)
    linear = result.fixed_to_moving.linear
    row: Row = registration_figures(data, result.fixed_to_moving)
    before = registration_errors(data, SpatialTransform(linear))
    row |= {f"before_{name}": value for name, value in before.items()}
    if data.fixed_labels is not None and data.moving_labels is not None:
        unregistered = warp_labels(
            data.moving_labels, SpatialTransform(linear), Geometry.of(data.fixed)
        )
        compared = compared_labels(data)
        row |= segmentation_figures(data.fixed_labels, unregistered, "before_", compared)
    row |= _segmentation_rows(data, result)
    synthesized = result.images[Output.SYNTHESIZED]
    row |= synthesis_figures(data, synthesized, linear, bundle.manifest.window_hu)
    row["leakage_percent"] = bundle_leakage(bundle, data.fixed, data.moving, linear)
    guesses = ((result.fixed_phase, case.fixed_phase), (result.moving_phase, case.moving_phase))
    right = [guess.phase is known for guess, known in guesses if known is not None]
    if right:
        row["phase_right_fraction"] = float(np.mean(right))
    row["verdict_good_fraction"] = float(result.verdict.level is VerdictLevel.GOOD)
    row["seconds"] = sum(result.metrics.seconds.values())
    row["peak_mb"] = result.metrics.peak_memory_mb
    return row


def read_cases(folder: Path) -> dict[str, Row]:
    """The figures of an earlier evaluation, by pair; without what it refused.

    Raises:
        InputError: the folder holds none.
    """
    path = folder / CASES_FILE
    if not path.is_file():
        raise InputError(
            f"There is no {CASES_FILE} in '{folder}'; name the folder of an evaluation."
        )
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {
        line["pair"]: {
            name: None if value == "" else float(value)
            for name, value in line.items()
            if name not in ("pair", "refused")
        }
        for line in lines
        if not line.get("refused")
    }


def paired_tests(first: dict[str, Row], second: dict[str, Row]) -> dict[str, PairedTest]:
    """Every figure that both results have, compared pair by pair, second minus first."""
    names = figure_names([*first.values(), *second.values()])
    tests = {name: compare(first, second, name) for name in names}
    return {name: test for name, test in tests.items() if test is not None}


def _measured(
    cases: Sequence[Case],
    bundle: Bundle,
    options: Options,
    progress: ProgressCallback,
    warn: Callable[[str], None],
) -> tuple[dict[str, Row], dict[str, str]]:
    """The figures of each registered pair, and why each other pair was refused, by name."""
    rows: dict[str, Row] = {}
    refused: dict[str, str] = {}
    first: InputError | None = None
    for number, case in enumerate(cases):
        progress(case.name, number / len(cases))
        try:
            rows[case.name] = case_figures(load_case(case), bundle, options.refine, options.seed)
        except InputError as error:
            first = first or error
            refused[case.name] = without_paths(str(error), case.files())
            warn(f"The pair '{case.name}' was refused: {error}")
    if not rows:
        raise InputError(f"Every pair of the cohort was refused, the first since: {first}")
    return rows, refused


def _segmentation_rows(data: CaseData, result: RegistrationResult) -> Row:
    row: Row = {}
    case, images = data.case, result.images
    fixed, moving = images[Output.FIXED_SEGMENTATION], images[Output.MOVING_SEGMENTATION]
    pairs: Sequence[tuple[str, sitk.Image | None, Sequence[str], sitk.Image]] = (
        ("fixed", data.fixed_labels, case.fixed_classes, fixed),
        ("moving", data.moving_labels, case.moving_classes, moving),
    )
    for name, truth, classes, found in pairs:
        if truth is not None:
            covered = covered_labels(truth, classes)
            row |= segmentation_figures(truth, found, f"segmentation_{name}_", covered)
    if data.fixed_labels is not None:
        lesion = sitk.GetArrayViewFromImage(result.images[Output.FIXED_SEGMENTATION])
        lesion = lesion == label_index("lesion")
        shares = [float(lesion[one.mask].mean()) for one in lesions_of(data.fixed_labels)]
        if shares:
            row["lesions_found_fraction"] = float(np.mean(np.array(shares) >= LESION_FOUND_FROM))
    return row
