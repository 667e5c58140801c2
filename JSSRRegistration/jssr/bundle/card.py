"""What people say about a model when they export it."""

from dataclasses import dataclass

from jssr.labels import Phase

CITATION = (
    "Liu F. et al.: JSSR: A Joint Synthesis, Segmentation, and Registration System for 3D "
    "Multi-Modal Image Alignment of Large-scale Pathological CT Scans. ECCV 2020, LNCS 12358. "
    "doi:10.1007/978-3-030-58601-0_16"
)


@dataclass(frozen=True)
class Figure:
    """One measured figure, as ``Figure("liver error", 1.8, "mm", "20 unseen phantoms")``."""

    name: str
    value: float
    unit: str
    measured_on: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """Name, terms and working space of a model.

    Attributes:
        date: day of the export, ISO 8601 (``2026-05-31``).
        intended_use: what the model is for, in plain words.
        limits: what it was not made for and how it may fail, in plain words.
        window_hu: HU that the networks see as -1 and 1.
        spacing_mm: isotropic voxel size of the working grid.
        size_divisor: voxels by which the working grid's size is divisible along every axis.
        phases: contrast phases that the model was trained on.
    """

    name: str
    version: str
    date: str
    license: str
    intended_use: str
    limits: str
    window_hu: tuple[float, float]
    spacing_mm: float
    size_divisor: int
    description: str = ""
    citation: str = CITATION
    phases: tuple[Phase, ...] = tuple(Phase)
