"""The methods a benchmark can run, with the settings they run with and where these come from."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from jssr.errors import InputError
from jssr.registration.result import Refine

DISPLACEMENT_FILE = "displacement.mha"


@dataclass(frozen=True)
class Method:
    """One way to register a pair.

    Attributes:
        name: as it is written after ``--methods``.
        title: for tables and legends.
        settings, source: what it runs with, and whose advice that is.
        function: ``module:function`` inside ``jssr.evaluation.peers``; ``None`` for JSSR itself.
        package: the Python package it needs, as pip calls it.
        programs: the programs it needs on the path.
        refine: how JSSR refines; ``None`` for a peer.
    """

    name: str
    title: str
    settings: str
    source: str
    function: str | None = None
    package: str | None = None
    programs: tuple[str, ...] = ()
    refine: Refine | None = None

    @property
    def is_peer(self) -> bool:
        """Whether it is another program than JSSR."""
        return self.function is not None

    def missing(self) -> str | None:
        """What must be installed before it can run, in one sentence; ``None`` if nothing."""
        from importlib.metadata import distributions  # deferred: every command reads the names

        if self.package is not None and not any(distributions(name=self.package)):
            return f"The package '{self.package}' is not installed."
        absent = [program for program in self.programs if shutil.which(program) is None]
        return f"The program '{absent[0]}' is not on the path." if absent else None

    def command(
        self, fixed: Path, moving: Path, output: Path, model: Path | None, device: str
    ) -> list[str]:
        """The command that registers two files and writes its transform into ``output``.

        Its paths are absolute, since it runs elsewhere.
        """
        fixed, moving, output = fixed.absolute(), moving.absolute(), output.absolute()
        if self.function is not None:
            return [
                sys.executable, "-m", "jssr.evaluation.peers",
                self.function, str(fixed), str(moving), str(output),
            ]  # fmt: skip
        chosen = [] if model is None else ["--model", str(model.absolute())]
        return [
            sys.executable, "-m", "jssr.cli", "register",
            "--fixed", str(fixed), "--moving", str(moving), "--output", str(output),
            "--outputs", "transform,warped", "--refine", str(self.refine and self.refine.value),
            "--device", device, "--overwrite", *chosen,
        ]  # fmt: skip


_NOTEBOOKS = "SimpleITK Notebooks"

METHODS: tuple[Method, ...] = (
    Method(
        "jssr",
        "JSSR",
        "networks and fast refinement, everything else at its default",
        "this package",
        refine=Refine.FAST,
    ),
    Method(
        "jssr-noref",
        "JSSR, networks alone",
        "no refinement, everything else at its default",
        "this package",
        refine=Refine.OFF,
    ),
    Method(
        "jssr-full",
        "JSSR, full refinement",
        "networks and full refinement, everything else at its default",
        "this package",
        refine=Refine.FULL,
    ),
    Method(
        "identity",
        "No registration",
        "the scans as the scanner placed them",
        "–",
        function="classical:no_registration",
    ),
    Method(
        "affine",
        "Affine",
        "Mattes mutual information, 50 bins, 10 % of the voxels, three levels, gradient descent",
        f"{_NOTEBOOKS} 60 and 61",
        function="classical:register_affine",
    ),
    Method(
        "demons",
        "Demons",
        "affine, histogram matching (1024 levels, 7 points), fast symmetric forces, three levels "
        "of 20 iterations, field smoothed with sigma 2",
        f"{_NOTEBOOKS} 66 (4D CT, POPI) and SimpleITK example DemonsRegistration2",
        function="classical:register_demons",
    ),
    Method(
        "bspline",
        "B-spline (SimpleITK)",
        "affine, then free-form deformation on Mattes mutual information, mesh refined 1, 2, 4 to "
        "20 mm, LBFGS2, 10 % of the voxels",
        f"{_NOTEBOOKS} 65 (4D CT, POPI); metric, mesh, sampling, convergence changed for contrast",
        function="classical:register_bspline",
    ),
    Method(
        "elastix",
        "Elastix",
        "affine, then B-spline on Mattes mutual information, adaptive stochastic gradient descent, "
        "three levels of 500 iterations, 10 mm grid, 5000 samples",
        "Elastix Model Zoo, Par0035 (follow-up chest CT)",
        function="elastix:register_elastix",
        package="itk-elastix",
    ),
    Method(
        "ants-syn",
        "ANTs SyN",
        "antsRegistrationSyN[s]: rigid, affine, SyN as in ANTs' script of that name",
        "ANTsPy, registration()",
        function="ants:register_syn",
        package="antspyx",
    ),
    Method(
        "convexadam",
        "ConvexAdam",
        "the package's defaults: MIND radius 1 and dilation 2, grid 6, search 4, inverse "
        "consistency, 80 Adam steps on grid 2, lambda 1.25",
        "convexAdam 0.2, convex_adam_pt()",
        function="convexadam:register_convexadam",
        package="convexAdam",
    ),
    Method(
        "deeds",
        "deeds",
        "linearBCV, then deedsBCV, all parameters at their defaults",
        "deedsBCV README (evaluated there on 100 abdominal CTs)",
        function="deeds:register_deeds",
        programs=("linearBCV", "deedsBCV"),
    ),
)

DEFAULT_METHODS = ",".join(m.name for m in METHODS if m.refine is not Refine.FULL)
"""What runs unless it is chosen: all but the full refinement, which takes long."""


def choose_methods(names: str) -> tuple[Method, ...]:
    """The methods of a comma-separated list, in its order.

    Raises:
        InputError: a name is unknown.
    """
    by_name = {method.name: method for method in METHODS}
    chosen = []
    for name in (part.strip() for part in names.split(",")):
        if name not in by_name:
            raise InputError(f"The method '{name}' is unknown; choose among {', '.join(by_name)}.")
        if by_name[name] not in chosen:
            chosen.append(by_name[name])
    return tuple(chosen)
