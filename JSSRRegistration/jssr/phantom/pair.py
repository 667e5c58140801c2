"""Two scans of one patient with everything that is true about them."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from jssr.hounsfield import AIR_HU
from jssr.labels import Phase
from jssr.phantom.contrast import PHASES, paint_hu, physiological_values, random_values, refill
from jssr.phantom.draw import Draw
from jssr.phantom.labelling import sample_labels
from jssr.phantom.lesions import Lesion
from jssr.phantom.motion import Motion, make_motion
from jssr.phantom.options import OnPart, PairOptions, ignore_part
from jssr.phantom.patient import Patient
from jssr.phantom.scanner import field_of_view, scan
from jssr.spatial.warp import sample, voxel_coordinates

Two = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class PhantomPair:
    """A fixed and a moving scan on the same axis-aligned grid (LPS, identity direction).

    All volumes are (z, y, x), displacements (3, z, y, x) float32 in x, y, z order, LPS mm.

    Attributes:
        fixed_hu, moving_hu: float32 scans, -1024 outside the field of view.
        fixed_labels, moving_labels: uint8, indices of ``jssr.labels.LABELS``, 0 out of view.
        fixed_to_moving_mm, moving_to_fixed_mm: the true displacements.
        fixed_truth, moving_truth: bool, voxels of the body where the truth exists and leads to
            a voxel that the other scan covers; not at the sliding wall, not in gut contents.
        fixed_valid, moving_valid: bool, the fields of view.
        moving_in_fixed_phase_hu: noise-free moving anatomy in the fixed scan's contrast.
        moving_clean_hu: the moving scan without blur, noise and artefacts.
        fixed_phase, moving_phase: None where contrast is random.
        spacing_mm: isotropic voxel size.
        lesions: with their position in the fixed scan.
    """

    fixed_hu: Tensor
    moving_hu: Tensor
    fixed_labels: Tensor
    moving_labels: Tensor
    fixed_to_moving_mm: Tensor
    moving_to_fixed_mm: Tensor
    fixed_truth: Tensor
    moving_truth: Tensor
    fixed_valid: Tensor
    moving_valid: Tensor
    moving_in_fixed_phase_hu: Tensor
    moving_clean_hu: Tensor
    fixed_phase: Phase | None
    moving_phase: Phase | None
    spacing_mm: float
    lesions: tuple[Lesion, ...]

    @property
    def origin_mm(self) -> tuple[float, float, float]:
        """World position (x, y, z) of the first voxel; the grid's middle is the origin."""
        z, y, x = (-0.5 * (count - 1) * self.spacing_mm for count in self.fixed_hu.shape)
        return x, y, z


@dataclass(frozen=True)
class _Contrast:
    fixed: Tensor
    moving: Tensor
    moving_as_fixed: Tensor
    contents: Tensor
    texture: float
    fixed_phase: Phase | None
    moving_phase: Phase | None


def make_pair(
    patient: Patient,
    seed: int,
    *,
    options: PairOptions | None = None,
    on_part: OnPart = ignore_part,
) -> PhantomPair:
    """Draw a pair of scans of a patient: new motion, contrast, noise and field of view.

    Args:
        patient: stays as it is; any number of pairs can be drawn from it.
        seed: any integer; the same patient and seed give the same pair.
        options: how the pair is drawn.
        on_part: called with the name of each part when it is finished.
    """
    options = options or PairOptions()
    source = f"{patient.seed}/pair {seed}"
    motion = make_motion(patient, Draw(seed, f"{source} motion"), options)
    on_part("motion")
    contrast = _draw_contrast(patient, seed, source, options)
    fixed_hu, moving_hu, answer_hu = paint_hu(
        patient, [contrast.fixed, contrast.moving, contrast.moving_as_fixed], contrast.texture
    )
    fixed_index = _index(patient, motion.fixed_to_reference)
    moving_index = _index(patient, motion.moving_to_reference)
    fixed_clean = sample(fixed_hu[None, None], fixed_index)[0, 0]
    seen = sample(torch.stack([moving_hu, answer_hu])[None], moving_index)[0]
    moving_clean, answer = seen[0], seen[1]
    on_part("contrast and resampling")
    fixed_valid, moving_valid = _fields_of_view(patient, seed, source, options)
    scans = []
    for name, clean, valid in (
        ("fixed", fixed_clean, fixed_valid),
        ("moving", moving_clean, moving_valid),
    ):
        image = scan(clean, patient.spacing_mm, Draw(seed, f"{source} {name}"), options)
        scans.append(image.masked_fill_(~valid, AIR_HU))
    on_part("scanner")
    fixed_labels = sample_labels(patient.labels, fixed_index) * fixed_valid
    moving_labels = sample_labels(patient.labels, moving_index) * moving_valid
    on_part("labels")
    fixed_truth, moving_truth = _truth(
        patient,
        motion,
        contrast.contents,
        (fixed_index, moving_index),
        (fixed_valid, moving_valid),
    )
    pair = PhantomPair(
        fixed_hu=scans[0],
        moving_hu=scans[1],
        fixed_labels=fixed_labels,
        moving_labels=moving_labels,
        fixed_to_moving_mm=motion.fixed_to_moving,
        moving_to_fixed_mm=motion.moving_to_fixed,
        fixed_truth=fixed_truth,
        moving_truth=moving_truth,
        fixed_valid=fixed_valid,
        moving_valid=moving_valid,
        moving_in_fixed_phase_hu=answer,
        moving_clean_hu=moving_clean,
        fixed_phase=contrast.fixed_phase,
        moving_phase=contrast.moving_phase,
        spacing_mm=patient.spacing_mm,
        lesions=_fixed_lesions(patient, motion),
    )
    on_part("truth")
    return pair


def _draw_contrast(patient: Patient, seed: int, source: str, options: PairOptions) -> _Contrast:
    draw = Draw(seed, f"{source} contrast")
    random = options.contrast == "random" or (options.contrast == "mixed" and draw.chance(0.5))
    tissues = patient.tissues
    fixed_phase = options.fixed_phase or draw.choice(PHASES)
    others = [phase for phase in PHASES if phase is not fixed_phase]
    moving_phase = options.moving_phase or draw.choice(others)
    values = []
    for name, phase in (("fixed", fixed_phase), ("moving", moving_phase)):
        own = Draw(seed, f"{source} {name} values")
        if random:
            values.append(random_values(tissues, own))
        else:
            common = _common_draw(patient, seed, source, options)
            values.append(physiological_values(tissues, common, own, phase))
    fixed, contents = refill(values[0], tissues, patient.fillings, Draw(seed, f"{source} gut 1"))
    moving, _ = refill(values[1], tissues, patient.fillings, Draw(seed, f"{source} gut 2"))
    return _Contrast(
        fixed=fixed,
        moving=moving,
        moving_as_fixed=torch.where(contents, moving, fixed),
        contents=contents,
        texture=draw.uniform(0.3, 1.6) if options.noise > 0 else 0.0,
        fixed_phase=None if random else fixed_phase,
        moving_phase=None if random else moving_phase,
    )


def _common_draw(patient: Patient, seed: int, source: str, options: PairOptions) -> Draw:
    """The numbers that all scans of one examination share; each use starts them anew."""
    if options.physiology_seed is None:
        return Draw(seed, f"{source} common values")
    return Draw(options.physiology_seed, f"{patient.seed}/common values")


def _index(patient: Patient, displacement: Tensor) -> Tensor:
    """Index (1, 3, z, y, x) in the padded grid of the points that scan voxels lead to."""
    index = voxel_coordinates(list(patient.shape), displacement.device)
    margin = torch.tensor([*reversed(patient.margin)], device=displacement.device)
    index = index + margin.view(1, 3, 1, 1, 1)
    return index.add_(displacement[None], alpha=1.0 / patient.spacing_mm)


def _fields_of_view(
    patient: Patient, seed: int, source: str, options: PairOptions
) -> tuple[Tensor, Tensor]:
    shared = field_of_view(patient.shape, Draw(seed, f"{source} view"), options.artefacts)
    views = []
    for name in ("fixed", "moving"):
        own = field_of_view(
            patient.shape, Draw(seed, f"{source} {name} view"), 0.3 * options.artefacts
        )
        views.append((shared & own).to(patient.device))
    return views[0], views[1]


def _truth(
    patient: Patient, motion: Motion, contents: Tensor, indices: Two, views: Two
) -> tuple[Tensor, Tensor]:
    """Where the displacement of a voxel of the body is known and leads into the other scan.

    ``indices`` and ``views`` are of the fixed and the moving scan.
    """
    outside = ("air", "table", "table_shell")
    without = contents | torch.tensor([tissue.name in outside for tissue in patient.tissues])
    known = (~without).float().to(patient.device)
    main = patient.first.flatten().to(torch.int32)
    known = known.index_select(0, main).view(1, 1, *patient.first.shape)
    to_other = (motion.fixed_to_moving, motion.moving_to_fixed)
    sheets = (motion.fixed_sheet, motion.moving_sheet)
    grid = voxel_coordinates(list(patient.shape), patient.device)
    results = []
    for this, other in ((0, 1), (1, 0)):
        truth = sample(known, indices[this], "nearest", "zeros")[0, 0] > 0.5
        truth &= ~sheets[this] & views[this]
        target = torch.add(grid, to_other[this][None], alpha=1.0 / patient.spacing_mm)
        results.append(truth & _covered(views[other], target))
    return results[0], results[1]


def _covered(view: Tensor, index: Tensor) -> Tensor:
    """Whether the voxels nearest to the places ``index`` are in a field of view."""
    if not bool(view.all()):
        return sample(view[None, None].float(), index, "nearest", "zeros")[0, 0] > 0.5
    inside = torch.ones_like(view)
    for axis, count in enumerate(reversed(view.shape)):
        inside &= (index[0, axis] > -0.5) & (index[0, axis] < count - 0.5)
    return inside


def _fixed_lesions(patient: Patient, motion: Motion) -> tuple[Lesion, ...]:
    """The lesions at their place in the fixed scan: q with q + u(q) = the reference place."""
    moved = []
    half = torch.tensor([0.5 * (count - 1) for count in reversed(patient.shape)])
    field = motion.fixed_to_reference[None]
    for lesion in patient.lesions:
        target = torch.tensor(lesion.center_mm)
        place = target.clone()
        for _ in range(12):
            index = (place / patient.spacing_mm + half).to(field.device).view(1, 3, 1, 1, 1)
            place = target - sample(field, index).flatten().cpu()
        x, y, z = place.tolist()
        moved.append(replace(lesion, center_mm=(x, y, z)))
    return tuple(moved)
