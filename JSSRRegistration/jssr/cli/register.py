"""The commands that work on scans: register, warp, info, demo."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from jssr.cli.console import progress_bar, show_section, tell_error, verdict_line
from jssr.cli.options import (
    FILES_PANEL,
    KNOWN_PANEL,
    METHOD_PANEL,
    DeviceOption,
    ModelOption,
    OverwriteOption,
    RefineOption,
    SeedOption,
)
from jssr.cli.phase_option import PHASE_OR_AUTO_NAMES, phase_or_auto
from jssr.errors import InputError, counted
from jssr.labels import Phase
from jssr.registration.result import OUTPUT_NAMES, Interpolation, Refine, chosen_outputs

if TYPE_CHECKING:
    from jssr.registration.files import Moving

_T = TypeVar("_T")


def attach(app: typer.Typer) -> None:
    """Adds this file's commands to ``app``."""
    app.command("register")(register)
    app.command("warp")(warp)
    app.command("info")(info)
    app.command("demo")(demo)


def register(
    fixed: Annotated[
        Path,
        typer.Option(
            metavar="SCAN",
            help="Scan that stays: NIfTI, NRRD, MetaImage, or a folder of DICOM slices.",
            rich_help_panel=FILES_PANEL,
        ),
    ],
    moving: Annotated[
        list[Path],
        typer.Option(
            metavar="SCAN",
            help="Scan to bring onto it; may be repeated.",
            rich_help_panel=FILES_PANEL,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(metavar="DIR", help="New folder for the files.", rich_help_panel=FILES_PANEL),
    ],
    overwrite: OverwriteOption = False,
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,NAME",
            help=f"What to write; without it all of {OUTPUT_NAMES}.",
            rich_help_panel=FILES_PANEL,
        ),
    ] = None,
    fixed_phase: Annotated[
        Phase | None,
        typer.Option(
            metavar="PHASE",
            parser=phase_or_auto,
            help=f"Contrast phase of the fixed scan: {PHASE_OR_AUTO_NAMES}.",
            rich_help_panel=KNOWN_PANEL,
        ),
    ] = None,
    moving_phase: Annotated[
        list[Phase] | None,
        typer.Option(
            metavar="PHASE",
            parser=phase_or_auto,
            help="The same for the moving scan; once for each.",
            rich_help_panel=KNOWN_PANEL,
        ),
    ] = None,
    initial: Annotated[
        str,
        typer.Option(
            metavar="rigid|none|FILE",
            help="Where to start: rigid search, as the scans lie, or a linear transform that maps "
            "fixed to moving points.",
            rich_help_panel=KNOWN_PANEL,
        ),
    ] = "rigid",
    fixed_mask: Annotated[
        Path | None,
        typer.Option(
            metavar="MASK",
            help="Voxels of the fixed scan to use (non-zero).",
            rich_help_panel=KNOWN_PANEL,
        ),
    ] = None,
    moving_mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MASK",
            help="The same for the moving scan; once for each.",
            rich_help_panel=KNOWN_PANEL,
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    refine: RefineOption = Refine.FAST,
    seed: SeedOption = 0,
) -> None:
    """Register one or more scans to a fixed scan.

    The last line is the verdict: good, doubtful or failed, with the reasons. Of several moving
    scans each has its line, which begins with its folder's name.
    """
    from jssr.device import choose_device
    from jssr.registration.files import Request, folder_name, register_files
    from jssr.report import write_report

    request = Request(
        fixed=fixed,
        moving=_movings(moving, moving_phase, moving_mask),
        output=output,
        model=model,
        fixed_phase=fixed_phase,
        fixed_mask=fixed_mask,
        initial=_initial(initial),
        refine=refine,
        outputs=chosen_outputs(outputs),
        seed=seed,
        overwrite=overwrite,
    )
    with progress_bar() as progress:
        results = register_files(
            request, choose_device(device), report=write_report, progress=progress, warn=tell_error
        )
    typer.echo(f"Wrote {output}")
    for number, result in enumerate(results, start=1):
        title = folder_name(number) if len(results) > 1 else "Verdict"
        typer.echo(verdict_line(result.verdict, title))


def warp(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Image or label map to warp.")],
    transform: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Transform that maps points of the reference to IMAGE."),
    ],
    reference: Annotated[
        Path, typer.Option(metavar="FILE", help="Image on whose grid the result lies.")
    ],
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="A .nii.gz, .nii, .nrrd, .mha or .seg.nrrd file.")
    ],
    interpolation: Annotated[
        Interpolation | None,
        typer.Option(
            help="linear: images; labels: label maps, smooth borders; nearest: exact. Default: "
            "labels for what is plainly a label map, else linear."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Apply a saved transform to an image or a label map."""
    from jssr.registration.apply import warp_file

    if output.exists() and not overwrite:
        raise InputError(f"The output '{output}' exists; add --overwrite or choose another.")
    taken = warp_file(image, transform, reference, output, interpolation)
    told = {Interpolation.LABELS: " as a label map", Interpolation.LINEAR: " as an image, linearly"}
    typer.echo(f"Wrote {output}{told.get(taken, '') if interpolation is None else ''}")


def info(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH",
            help="Bundle, scan, or what register, batch or train wrote; nothing: shipped model.",
        ),
    ] = None,
) -> None:
    """Describe a model bundle, a scan, results, a batch or a training run."""
    from jssr.info import describe

    for section in describe(path):
        show_section(section)


def demo(
    output: Annotated[
        Path,
        typer.Option(metavar="DIR", help="New folder for the files.", rich_help_panel=FILES_PANEL),
    ] = Path("jssr-demo"),
    overwrite: OverwriteOption = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    refine: RefineOption = Refine.FAST,
    ablation: Annotated[
        bool,
        typer.Option(
            "--ablation",
            help="Show too what is lost without generator and without register.",
            rich_help_panel=METHOD_PANEL,
        ),
    ] = False,
    seed: SeedOption = 0,
) -> None:
    """Register a phantom patient whose deformation is known, and show the errors."""
    from jssr.device import choose_device
    from jssr.evaluation.demonstration import demonstrate
    from jssr.report import write_report

    with progress_bar() as progress:
        shown = demonstrate(
            output,
            choose_device(device),
            model=model,
            refine=refine,
            ablation=ablation,
            seed=seed,
            overwrite=overwrite,
            report=write_report,
            progress=progress,
            warn=tell_error,
        )
    for section in shown.sections:
        show_section(section)
    typer.echo(f"Report: {shown.report}")
    typer.echo(verdict_line(shown.verdict))


def _initial(text: str) -> Literal["rigid", "none"] | Path:
    if text == "rigid" or text == "none":
        return text
    return Path(text)


def _movings(
    paths: Sequence[Path], phases: Sequence[Phase | None] | None, masks: Sequence[Path] | None
) -> "list[Moving]":
    from jssr.registration.files import Moving

    chosen = _one_each(phases, len(paths), None, "--moving-phase")
    found = _one_each(masks, len(paths), None, "--moving-mask")
    return [
        Moving(path, phase, mask) for path, phase, mask in zip(paths, chosen, found, strict=True)
    ]


def _one_each(given: Sequence[_T] | None, count: int, default: _T, name: str) -> list[_T]:
    if not given:
        return [default] * count
    if len(given) != count:
        raise InputError(
            f"{name} stands {counted(len(given), 'time')}, --moving {counted(count, 'time')}; "
            "give one for each."
        )
    return list(given)
