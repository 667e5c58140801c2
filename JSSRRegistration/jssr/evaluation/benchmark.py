"""All methods on the same pairs, each in a process of its own; goes on where it stopped."""

import hashlib
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jssr import __version__
from jssr.bundle.manifest import MANIFEST_NAME
from jssr.bundle.source import open_source
from jssr.errors import InputError, without_paths
from jssr.evaluation.benchmark_page import benchmark_page
from jssr.evaluation.cohort import Case, CaseData, load_case
from jssr.evaluation.figures import registration_figures
from jssr.evaluation.methods import DISPLACEMENT_FILE, METHODS, Method
from jssr.evaluation.open_cohort import cohort_name, open_cohort
from jssr.evaluation.outcome import FAILED, MISSING, OK, MethodOutcome
from jssr.evaluation.process import MethodFailed, run_measured
from jssr.evaluation.tables import summaries, write_csv
from jssr.io.atomic import make_folder, whole_file, write_json
from jssr.io.stamps import stamps
from jssr.io.transforms import read_transform
from jssr.registration.result import Output, ProgressCallback
from jssr.registration.write import OUTPUT_FILES
from jssr.spatial.transform import SpatialTransform

RESULTS_FOLDER = "results"
"""Where a benchmark keeps one JSON file for each method and case."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a benchmark runs: threads of each process, JSSR's model and device, time for a case."""

    threads: int
    model: Path | None = None
    device: str = "cpu"
    timeout_s: float | None = None


def benchmark_files(
    cohort: str,
    methods: Sequence[Method],
    output: Path,
    setup: Setup,
    *,
    limit: int | None = None,
    peer_limit: int | None = None,
    progress: ProgressCallback,
) -> Path:
    """Runs the benchmark and writes ``benchmark.html``, ``results.csv`` and ``results.json``.

    They hold what this run found, and what ``output`` has of other methods from earlier runs with
    the same files, threads and settings.

    Args:
        cohort: a folder or a range of seeds, see :func:`jssr.evaluation.open_cohort.open_cohort`.
        limit: how many of the pairs are used; ``peer_limit`` the same for other methods than JSSR.

    Returns:
        Where the page is.

    Raises:
        InputError: the cohort, the model or the output folder cannot be used.
    """
    make_folder(output)
    cases = open_cohort(cohort, output, limit=limit, progress=progress)
    run_benchmark(cases, methods, output, setup, peer_limit=peer_limit, progress=progress)
    outcomes = read_outcomes(cases, METHODS, output, setup)
    done = [outcome for outcome in outcomes if outcome.status == OK]
    keys = [{"pair": outcome.case, "method": outcome.method} for outcome in done]
    write_csv(output / "results.csv", keys, [outcome.figures for outcome in done])
    per_method = {
        name: summaries([outcome.figures for outcome in done if outcome.method == name])
        for name in dict.fromkeys(outcome.method for outcome in done)
    }
    write_json(output / "results.json", {"threads": setup.threads, "methods": per_method})
    page = benchmark_page(outcomes, setup.threads, cohort_name(cohort))
    with whole_file(output / "benchmark.html") as part:
        part.write_text(page, encoding="utf-8")
    return output / "benchmark.html"


def run_benchmark(
    cases: Sequence[Case],
    methods: Sequence[Method],
    output: Path,
    setup: Setup,
    *,
    peer_limit: int | None = None,
    progress: ProgressCallback,
) -> None:
    """Runs each method on each case and keeps the outcome in ``output``, unless it is there.

    An outcome counts as there if it succeeded with the same files, settings, threads and model.
    Where a case's files cannot be used every method fails, and the other cases go on.

    Args:
        peer_limit: how many of the cases other methods than JSSR see; ``None``: all.

    Raises:
        InputError: the model cannot be used.
    """
    jobs = [
        (case, method)
        for number, case in enumerate(cases)
        for method in methods
        if not method.is_peer or peer_limit is None or number < peer_limit
    ]
    loaded_case: Case | None = None
    loaded: CaseData | str = ""
    for number, (case, method) in enumerate(jobs):
        progress(f"{case.name}: {method.title}", number / len(jobs))
        place = _place(output, case, method)
        fingerprint = _fingerprint(case, method, setup)
        earlier = _earlier(place, fingerprint)
        if earlier is not None and earlier.status == OK:
            continue
        if case != loaded_case:
            loaded_case, loaded = case, _loaded(case, output)
        if isinstance(loaded, CaseData):
            outcome = _run(loaded, method, output, setup)
        else:
            outcome = MethodOutcome(method.name, case.name, FAILED, loaded)
        _keep(outcome, fingerprint, place)


def read_outcomes(
    cases: Sequence[Case], methods: Sequence[Method], output: Path, setup: Setup
) -> list[MethodOutcome]:
    """What ``output`` holds of these cases and methods, made as ``setup`` says; case by case.

    An outcome of other files, threads, settings, or of another model, device or version of JSSR
    does not count.
    """
    found = []
    for case in cases:
        for method in methods:
            place = _place(output, case, method)
            if place.is_file():
                found.append(_earlier(place, _fingerprint(case, method, setup)))
    return [outcome for outcome in found if outcome is not None]


def found_transform(place: Path) -> SpatialTransform:
    """The transform, fixed to moving points, that a method's command wrote into ``place``.

    Raises:
        InputError: there is none that can be read.
    """
    own = place / OUTPUT_FILES[Output.TRANSFORM]
    return read_transform(own if own.is_file() else place / DISPLACEMENT_FILE)


def _loaded(case: Case, output: Path) -> CaseData | str:
    """The pair in memory, or why it cannot be used."""
    try:
        return load_case(case)
    except InputError as error:
        return _without_paths(str(error), case, output)


def _run(data: CaseData, method: Method, output: Path, setup: Setup) -> MethodOutcome:
    absent = method.missing()
    if absent is not None:
        return MethodOutcome(method.name, data.case.name, MISSING, absent)
    with tempfile.TemporaryDirectory(prefix=".run-", dir=output) as scratch:
        place = Path(scratch) / "output"
        command = method.command(
            data.case.fixed, data.case.moving, place, setup.model, setup.device
        )
        try:
            usage = run_measured(
                command, Path(scratch), threads=setup.threads, timeout_s=setup.timeout_s
            )
            transform = found_transform(place)
        except (MethodFailed, InputError) as error:
            reason = _without_paths(str(error), data.case, output)
            return MethodOutcome(method.name, data.case.name, FAILED, reason)
    figures = registration_figures(data, transform)
    broken = [name for name, value in figures.items() if not math.isfinite(value or 0.0)]
    if broken:
        reason = f"What it wrote has no finite {broken[0]}."
        return MethodOutcome(method.name, data.case.name, FAILED, reason)
    return MethodOutcome(method.name, data.case.name, OK, figures={**figures, **asdict(usage)})


def _place(output: Path, case: Case, method: Method) -> Path:
    return output / RESULTS_FOLDER / method.name / f"{case.name}.json"


def _fingerprint(case: Case, method: Method, setup: Setup) -> str:
    content: list[Any] = [asdict(method), setup.threads, case.fixed_classes, case.moving_classes]
    content += [[path.name, *stamps(path)] for path in case.files()]
    if not method.is_peer:
        content += [__version__, setup.device, _model_digest(setup.model)]
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()


def _model_digest(model: Path | None) -> str:
    return hashlib.sha256(open_source(model).read(MANIFEST_NAME)).hexdigest()


def _earlier(place: Path, fingerprint: str) -> MethodOutcome | None:
    if not place.is_file():
        return None
    content = json.loads(place.read_text(encoding="utf-8"))
    if content.pop("fingerprint") != fingerprint:
        return None
    return MethodOutcome(**content)


def _keep(outcome: MethodOutcome, fingerprint: str, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    write_json(place, {"fingerprint": fingerprint, **asdict(outcome)})


def _without_paths(message: str, case: Case, output: Path) -> str:
    files = case.files()
    names = files | {path.absolute(): name for path, name in files.items()}
    message = without_paths(message, names)
    beside = [path.parent for path in names if path.parent.name]  # where other slices lie
    for folder in (*beside, output.absolute(), Path(tempfile.gettempdir()), Path.home()):
        message = message.replace(f"{folder}/", "")
    return message
