"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from jssr.registration.result import Refine

KNOWN_PANEL, METHOD_PANEL, FILES_PANEL = "What is known", "Method", "Files"
"""Titles of the groups in which the help shows options."""

ModelOption = Annotated[
    Path | None,
    typer.Option(
        metavar="BUNDLE",
        help="Model bundle, a folder or a zip; without it the shipped one.",
        rich_help_panel=METHOD_PANEL,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N.", rich_help_panel=METHOD_PANEL),
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace what an earlier run wrote there.", rich_help_panel=FILES_PANEL
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        max=2**32 - 1,
        help="Chooses the refinement's random points; on a CPU the same seed, the same result.",
        rich_help_panel=METHOD_PANEL,
    ),
]
RefineOption = Annotated[
    Refine,
    typer.Option(
        help="How long to improve the networks' answer on each pair.", rich_help_panel=METHOD_PANEL
    ),
]
