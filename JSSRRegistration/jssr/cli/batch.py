"""The command that registers a whole cohort: batch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jssr.cli.console import progress_bar, tell_error
from jssr.cli.options import DeviceOption, ModelOption, RefineOption, SeedOption
from jssr.cli.phase_option import PHASE_NAMES, phase
from jssr.labels import Phase
from jssr.registration.result import Refine, chosen_outputs

if TYPE_CHECKING:
    from jssr.batch.cases import Case
    from jssr.batch.state import Outcome


def attach(app: typer.Typer) -> None:
    """Adds this file's command to ``app``."""
    app.command("batch")(batch)


def batch(
    source: Annotated[
        Path,
        typer.Option(
            "--input",
            metavar="TABLE|DIR",
            help="CSV table with the columns patient, image and optionally phase, role, mask; "
            "or a folder with one folder of scans a patient.",
        ),
    ],
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the results; a stopped batch goes on.")
    ],
    fixed_phase: Annotated[
        Phase,
        typer.Option(
            metavar="PHASE",
            parser=phase,
            help=f"Phase that the others are brought onto: {PHASE_NAMES}.",
        ),
    ] = Phase.PORTAL_VENOUS,
    outputs: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,NAME", help="What to write; without it everything."),
    ] = None,
    refine: RefineOption = Refine.FAST,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
) -> None:
    """Register every patient of a table or a folder, with one table and one page at the end.

    Ends with code 1 if a case failed, or nothing of a patient could be registered.
    """
    from jssr.batch.cases import read_worklist
    from jssr.batch.run import BatchListener, BatchSettings, run_batch
    from jssr.batch.summary import PAGE_NAME
    from jssr.service.runner import Runner

    settings = BatchSettings(model, device, refine, chosen_outputs(outputs), seed)
    with progress_bar() as progress:
        progress("Look through the scans", 0.0)
        worklist = read_worklist(source, fixed_phase)
        listener = BatchListener(
            progress=lambda case, step, fraction: progress(f"{case.name}: {step}", fraction),
            finished=_ignore,
            log=_tell_problem,
        )
        outcomes = run_batch(
            worklist.cases, output, settings, Runner(), listener, worklist.unusable
        )
    if remark := worklist.remark():
        typer.echo(remark)
    failed = [name for name, outcome in outcomes.items() if not outcome.done]
    typer.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} registered; {output / PAGE_NAME}")
    for name in failed:
        tell_error(f"{name} failed: {outcomes[name].message}")
    if failed:
        raise typer.Exit(1)


def _ignore(case: "Case", outcome: "Outcome", folder: Path) -> None:
    """A failure is logged when it happens, and listed at the end without its paths."""


def _tell_problem(level: str, message: str) -> None:
    if level in ("warning", "error"):
        tell_error(message)
