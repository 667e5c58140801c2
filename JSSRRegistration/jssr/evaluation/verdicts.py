"""How well the verdict tells good registrations from failed ones.

``python -m jssr.evaluation.verdicts COHORT`` registers each pair of a cohort with known truth as
it is and spoilt in every way of :mod:`jssr.evaluation.provoked`, and prints what was called what.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jssr.bundle.load import Bundle, load_bundle
from jssr.errors import InputError
from jssr.evaluation.cohort import Case, load_case
from jssr.evaluation.metrics import displacement_error
from jssr.evaluation.open_cohort import open_cohort
from jssr.evaluation.provoked import KINDS, OTHER_PATIENT, Provoked
from jssr.io.atomic import make_folder, write_json
from jssr.registration.pipeline import register
from jssr.registration.result import Output, Refine, RegistrationResult
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import displacement_on

FAILED_FROM_MM = 5.0
AS_IT_IS = "as it is"
REFUSED, SKIPPED = "refused", "skipped"


@dataclass(frozen=True)
class Judged:
    """One registration and what was made of it.

    Attributes:
        kind: what was spoilt, or :data:`AS_IT_IS`.
        error_liver_mm: mean error in the liver; ``None`` where there is no truth.
        level: the verdict, :data:`REFUSED` where the pair was not registered at all, or
            :data:`SKIPPED` where no error could be measured.
        reasons: why; of a refusal, its message.
        metrics: the figures the verdict rests on; empty after a refusal.
    """

    case: str
    kind: str
    error_liver_mm: float | None
    level: str
    reasons: tuple[str, ...]
    metrics: dict[str, Any]

    @property
    def failed(self) -> bool:
        """More than 5 mm mean error in the liver, no truth to reach, or no result at all."""
        return self.error_liver_mm is None or self.error_liver_mm > FAILED_FROM_MM

    @property
    def trusted(self) -> bool:
        """Whether a user would use it without looking."""
        return self.level == "good"


def judged_pairs(
    cases: Sequence[Case], kinds: Sequence[str], bundle: Bundle, refine: Refine
) -> Iterator[Judged]:
    """Register each pair as it is and spoilt; the other patient is the next one of the cohort.

    A pair whose liver is nowhere in view is skipped.

    Args:
        cases: pairs with truth and fixed segmentation; one that names no patient is of another
            patient than the others.
        kinds: of :data:`jssr.evaluation.provoked.KINDS`.

    Raises:
        InputError: a pair has no known deformation or no segmentation of the fixed scan, or there
            is no other patient.
    """
    for number, case in enumerate(cases):
        # Only one kind looks at another patient.
        another = _another_patient(cases, number) if OTHER_PATIENT in kinds else case
        data, other = load_case(case), load_case(another)
        if data.truth_mm is None or data.liver is None:
            raise InputError(
                f"The pair '{case.name}' has no known deformation or no fixed segmentation, so the "
                "verdict on it cannot be checked; take a cohort of phantoms."
            )
        if not data.liver.any():
            reason = "The deformation of the liver is nowhere known."
            yield Judged(case.name, AS_IT_IS, None, SKIPPED, (reason,), {})
            continue
        pairs = {AS_IT_IS: Provoked(data.fixed, data.moving, data.truth_mm)}
        pairs |= {kind: KINDS[kind](data, other) for kind in kinds}
        for kind, pair in pairs.items():
            try:
                result = register(
                    pair.fixed, pair.moving, bundle, refine=refine, outputs=[Output.TRANSFORM]
                )
            except InputError as error:
                yield Judged(case.name, kind, None, REFUSED, (str(error),), {})
                continue
            yield _judged(case.name, kind, pair, result, data.liver)


def _another_patient(cases: Sequence[Case], number: int) -> Case:
    """The next case, from the beginning again after the last, that shows another patient."""
    own = cases[number].patient
    for case in (*cases[number + 1 :], *cases[:number]):
        if own is None or case.patient != own:
            return case
    raise InputError(
        f"The cohort holds no other patient than that of '{cases[number].name}'; take a cohort of "
        f"several patients, or name --kinds without '{OTHER_PATIENT}'."
    )


def _judged(
    name: str, kind: str, pair: Provoked, result: RegistrationResult, liver: np.ndarray
) -> Judged:
    error = None
    if pair.truth_mm is not None:
        found = displacement_on(result.fixed_to_moving.to_sitk(), Geometry.of(pair.fixed))
        measured = displacement_error(found, pair.truth_mm, liver)
        error = None if measured is None else measured.mean_mm
    verdict = result.verdict
    metrics = asdict(result.metrics)
    return Judged(name, kind, error, verdict.level.value, verdict.reasons, metrics)


def summary(judged: Sequence[Judged]) -> dict[str, float]:
    """How many failures were told, and how many good registrations were doubted, in percent."""
    counted = [row for row in judged if row.level != SKIPPED]
    failures = [row for row in counted if row.failed]
    good = [row for row in counted if not row.failed]
    figures = {"failures": float(len(failures)), "good": float(len(good))}
    if failures:
        told = sum(not row.trusted for row in failures)
        figures["failures_told_percent"] = 100.0 * told / len(failures)
    if good:
        figures["good_doubted_percent"] = 100.0 * sum(not r.trusted for r in good) / len(good)
    return figures


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m jssr.evaluation.verdicts")
    parser.add_argument("cohort", help="folder with a manifest, or phantoms:FIRST-LAST")
    parser.add_argument(
        "--kinds", nargs="*", choices=KINDS, default=list(KINDS), help="what is spoilt"
    )
    parser.add_argument(
        "--refine", choices=[refine.value for refine in Refine], default=Refine.FAST.value
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for verdicts.json and phantoms"
    )
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except InputError as error:
        parser.error(str(error))


def _run(arguments: argparse.Namespace) -> None:
    output = arguments.output
    make_folder(output)
    cases = open_cohort(arguments.cohort, output, progress=lambda step, done: None)
    bundle = load_bundle(None, torch.device("cpu"))
    rows = []
    for row in judged_pairs(cases, arguments.kinds, bundle, Refine(arguments.refine)):
        error = "–" if row.error_liver_mm is None else f"{row.error_liver_mm:.1f} mm"
        reasons = "; ".join(row.reasons)
        sys.stdout.write(f"{row.case}  {row.kind:16s} {error:>8s}  {row.level}: {reasons}\n")
        rows.append(row)
        write_json(output / "verdicts.json", [asdict(r) for r in rows])
    sys.stdout.write(json.dumps(summary(rows)) + "\n")


if __name__ == "__main__":
    main()
