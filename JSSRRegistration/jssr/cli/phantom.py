"""The command that makes phantoms: cohorts on disk, a contact sheet, timings."""

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from jssr.cli.console import progress_bar
from jssr.cli.options import FILES_PANEL, OverwriteOption
from jssr.errors import InputError
from jssr.memory import keep_large_blocks


class Contrast(str, Enum):
    """How the tissues of a pair are given their attenuation."""

    PHYSIOLOGICAL = "physiological"
    RANDOM = "random"
    MIXED = "mixed"


class Mode(str, Enum):
    """What a pair shows."""

    ANATOMY = "anatomy"
    SHAPES = "shapes"


def attach(app: typer.Typer) -> None:
    """Add this file's command to ``app``."""
    app.command("phantom")(phantom)


def phantom(
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="New folder for a cohort of pairs.",
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    patients: Annotated[int, typer.Option(min=1, help="How many patients.")] = 8,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of scans of each patient.")] = 1,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the first patient.")] = 0,
    spacing: Annotated[float, typer.Option(min=0.5, max=10.0, help="Voxel size in mm.")] = 2.0,
    size: Annotated[
        str, typer.Option(metavar="X,Y,Z", help="Voxels of a scan along x, y and z.")
    ] = "176,144,112",
    contrast: Annotated[
        Contrast, typer.Option(help="Attenuation by physiology, at random, or half and half.")
    ] = Contrast.PHYSIOLOGICAL,
    mode: Annotated[Mode, typer.Option(help="Abdomens, or random shapes.")] = Mode.ANATOMY,
    noise: Annotated[
        bool, typer.Option(help="Whether blur, noise and artefacts are added.")
    ] = True,
    overwrite: OverwriteOption = False,
    gallery: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG",
            help="Draw a sheet of patients in all phases; only --seed and --patients apply.",
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    benchmark: Annotated[
        bool, typer.Option("--benchmark", help="Print how long each part takes.")
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="For --benchmark: auto, cpu, cuda or cuda:N.")
    ] = "cpu",
) -> None:
    """Make abdomens that no patient ever had, in several contrast phases, with known motion."""
    if output is None and gallery is None and not benchmark:
        raise InputError("Say what to make: --output DIR, --gallery PNG or --benchmark.")
    shape = _shape(size)
    keep_large_blocks()
    if gallery is not None:
        from jssr.phantom.gallery import check_gallery

        check_gallery(gallery)  # before the work, not after it
    if output is not None:
        from jssr.phantom.cohort import write_cohort
        from jssr.phantom.options import PairOptions
        from jssr.phantom.shapes import SHAPES_OPTIONS

        clean = {} if noise else {"noise": 0.0, "artefacts": 0.0, "blur": False}
        shapes = mode is Mode.SHAPES
        options = SHAPES_OPTIONS if shapes else PairOptions(contrast=contrast.value)
        with progress_bar() as progress:
            write_cohort(
                output,
                patients,
                seed,
                shape,
                spacing,
                pairs_per_patient=pairs,
                shapes=shapes,
                pair_options=replace(options, **clean),
                overwrite=overwrite,
                progress=progress,
            )
        typer.echo(f"Wrote {output}")
    if gallery is not None:
        from jssr.phantom.gallery import draw_gallery

        draw_gallery(gallery, seed, patients)
        typer.echo(f"Wrote {gallery}")
    if benchmark:
        from jssr.device import choose_device
        from jssr.phantom.benchmark import benchmark_table, time_phantom

        typer.echo(benchmark_table(time_phantom(shape, spacing, choose_device(device))))


def _shape(size: str) -> tuple[int, int, int]:
    """Voxels as (z, y, x) from the text ``x,y,z``."""
    parts = size.replace("x", ",").split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
        raise InputError(f"--size {size} is no size; give three numbers as 176,144,112.")
    x, y, z = (int(part) for part in parts)
    if min(x, y, z) < 16:
        raise InputError(f"--size {size} is too small; give at least 16 voxels along each axis.")
    return z, y, x
