"""The commands that measure: evaluate a model on a cohort, benchmark it beside other methods."""

import os
from pathlib import Path
from typing import Annotated

import typer

from jssr.cli.console import progress_bar, tell_error
from jssr.cli.options import (
    FILES_PANEL,
    DeviceOption,
    OverwriteOption,
    RefineOption,
    SeedOption,
)
from jssr.evaluation.methods import DEFAULT_METHODS
from jssr.registration.result import Refine

CohortArgument = Annotated[
    str,
    typer.Argument(
        help="Folder with a manifest.json or with one folder a pair, a table as for prepare "
        "(its split test), or phantoms:FIRST-LAST."
    ),
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Take the first so many pairs.")]


def attach(app: typer.Typer) -> None:
    """Adds this file's commands to ``app``."""
    app.command("evaluate")(evaluate)
    app.command("benchmark")(benchmark)


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Model bundle, a folder or a zip.")],
    cohort: CohortArgument,
    output: Annotated[
        Path,
        typer.Option(help="New folder for tables and page.", rich_help_panel=FILES_PANEL),
    ],
    refine: RefineOption = Refine.OFF,
    limit: LimitOption = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Folder of another evaluation to compare with.", rich_help_panel=FILES_PANEL
        ),
    ] = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
) -> None:
    """Measure a model on a cohort: errors, overlaps, synthesis, leakage, time.

    Writes cases.csv, summary.json and evaluation.html.
    """
    from jssr.device import choose_device
    from jssr.evaluation.evaluate import Options, evaluate_bundle

    options = Options(refine=refine, seed=seed, limit=limit, against=against, overwrite=overwrite)
    with progress_bar() as progress:
        evaluate_bundle(
            bundle, cohort, output, choose_device(device), options, progress, warn=tell_error
        )
    typer.echo(f"Wrote {output / 'evaluation.html'}")


def benchmark(
    cohort: CohortArgument,
    output: Annotated[Path, typer.Option(help="Folder for results and page; runs go on there.")],
    methods: Annotated[
        str, typer.Option(help="Comma-separated, in the order in which they run.")
    ] = DEFAULT_METHODS,
    limit: LimitOption = None,
    peer_limit: Annotated[
        int | None, typer.Option(min=1, help="Other methods see only the first so many pairs.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of each method; without it all cores.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="JSSR's model bundle; without it the shipped one.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where JSSR computes; the others use the CPU.")
    ] = "cpu",
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Seconds after which a method is stopped.")
    ] = None,
) -> None:
    """Run JSSR and other methods on the same pairs and compare error, time and memory.

    Goes on where an earlier run stopped. Writes benchmark.html, results.csv and results.json.
    """
    from jssr.device import choose_device
    from jssr.evaluation.benchmark import Setup, benchmark_files
    from jssr.evaluation.methods import choose_methods

    setup = Setup(
        threads=threads or os.cpu_count() or 1,
        model=model,
        device=str(choose_device(device)),
        timeout_s=timeout,
    )
    with progress_bar() as progress:
        page = benchmark_files(
            cohort,
            choose_methods(methods),
            output,
            setup,
            limit=limit,
            peer_limit=peer_limit,
            progress=progress,
        )
    typer.echo(f"Wrote {page}")
