"""The commands that make models: prepare, train, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jssr.errors import InputError, counted
from jssr.memory import keep_large_blocks

if TYPE_CHECKING:
    from rich.progress import Progress

    from jssr.training.trainer import ProgressCallback, TrainingProgress


def attach(app: typer.Typer) -> None:
    """Add this file's commands to ``app``."""
    app.command("prepare")(prepare)
    app.command("train")(train)
    app.command("export")(export)


def prepare(
    cohort: Annotated[
        Path, typer.Argument(help="CSV table (patient, phase, image, …) or folder of Task03_Liver.")
    ],
    output: Annotated[Path, typer.Option(help="Folder of the cache.")],
    spacing: Annotated[float, typer.Option(min=0.5, max=10.0, help="Voxel size in mm.")] = 2.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Check, align, resample and cache a cohort for training."""
    from jssr.cli.console import progress_bar, tell_error
    from jssr.training.prepare.page import PAGE_NAME
    from jssr.training.prepare.run import prepare_cohort

    with progress_bar() as bar:
        summary = prepare_cohort(cohort, output, spacing_mm=spacing, workers=workers, progress=bar)
    for fault in summary.faults:
        whose = f" ({fault.patient})" if fault.patient else ""
        tell_error(f"line {fault.line}{whose}: {fault.message}")
    scans = sum(len(patient.scans) for patient in summary.patients)
    typer.echo(
        f"Ready: {counted(len(summary.patients), 'patient')} with {counted(scans, 'scan')} "
        f"({summary.reused} already before), "
        f"{counted(len(summary.faults), 'fault')}; see {output / PAGE_NAME}."
    )


def train(
    config: Annotated[
        str | None, typer.Argument(help="A shipped configuration's name or a YAML file.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Fields to change, as stages.0.steps=50.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on from the folder's latest checkpoint.")
    ] = False,
    init_from: Annotated[
        Path | None, typer.Option(help="Bundle whose networks to start from.")
    ] = None,
    max_minutes: Annotated[float | None, typer.Option(help="Stop cleanly after this time.")] = None,
    print_config: Annotated[
        bool, typer.Option(help="Print the whole configuration, defaults included, and end.")
    ] = False,
    benchmark: Annotated[
        int | None, typer.Option(min=1, help="Time this many steps of each stage and end.")
    ] = None,
) -> None:
    """Train the networks as a configuration says."""
    from jssr.training.settings import load_config, shipped_configurations, to_yaml

    # Not as overrides: those are YAML, which would read a folder such as 2024-06-01 as a date.
    options = {"output": None if output is None else str(output), "max_minutes": max_minutes}
    given = {name: value for name, value in options.items() if value is not None}
    if config is None:
        if not print_config:
            names = ", ".join(shipped_configurations())
            raise InputError(f"Name a configuration: a YAML file or one of {names}.")
        config = "phantom-cpu"
    settings = load_config(config, overrides or [], given)
    keep_large_blocks()
    if print_config:
        typer.echo(to_yaml(settings), nl=False)
    elif benchmark is not None:
        from jssr.training.benchmark import benchmark_table

        typer.echo(benchmark_table(settings, benchmark))
    else:
        from jssr.training.launch import is_first_process
        from jssr.training.launch import train as run_training

        with _bar(shown=is_first_process()) as bar:
            ending = run_training(
                settings, resume=resume, init_from=init_from, progress=_shown(bar)
            )
        if is_first_process():
            typer.echo(f"Training {ending.value}; the run is in {settings.output}.")


def export(
    run: Annotated[Path, typer.Argument(help="Folder of the training run.")],
    output: Annotated[Path, typer.Option(help="Folder of the new bundle.")],
    latest: Annotated[
        bool, typer.Option("--latest", help="Take the latest checkpoint, not the best.")
    ] = False,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Evaluation of this bundle whose figures go on its card."),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing folder.")] = False,
) -> None:
    """Make the model bundle of a training run."""
    from jssr.training.export import export_run

    measured = ()
    if figures is not None:
        from jssr.evaluation.card_figures import card_figures

        measured = card_figures(figures)
    which = "latest" if latest else "best"
    taken = export_run(run, output, which=which, figures=measured, overwrite=overwrite)
    typer.echo(f"Wrote {output}: {taken}.")


def _bar(shown: bool) -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    # The losses take what is left of the line and are cut first where it is short.
    return Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=12)),
        BarColumn(bar_width=16),
        MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=9)),
        TextColumn(
            "{task.fields[line]}",
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
        expand=True,
        disable=not shown,
    )


def _shown(bar: "Progress") -> "ProgressCallback":
    task = bar.add_task("training", total=None, line="")

    def show(progress: "TrainingProgress") -> None:
        minutes = progress.seconds_left / 60
        terms = " ".join(f"{name} {value:.3g}" for name, value in progress.report.terms.items())
        bar.update(
            task,
            description=progress.stage,
            completed=progress.stage_step,
            total=progress.stage_steps,
            line=f"{progress.steps_per_second:.2f}/s, {minutes:.0f} min left, {terms}",
        )

    return show
