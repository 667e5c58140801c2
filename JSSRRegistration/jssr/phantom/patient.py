"""One patient: tissues on a grid with a margin, from which any number of scans can be made."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from jssr.phantom.draw import Draw, smooth_noise
from jssr.phantom.frame import Frame, random_warp
from jssr.phantom.geometry import rotation, smooth_max
from jssr.phantom.gut import Filling, paint_gut, paint_stomach
from jssr.phantom.labelling import ReferenceLabels
from jssr.phantom.lesions import Lesion, paint_lesions
from jssr.phantom.options import OnPart, PatientOptions, ignore_part
from jssr.phantom.pancreas import draw_pancreas, paint_pancreas
from jssr.phantom.scene import Scene
from jssr.phantom.skeleton import paint_skeleton
from jssr.phantom.tissues import Tissue
from jssr.phantom.torso import draw_torso
from jssr.phantom.tubes import curve
from jssr.phantom.vessels import (
    paint_aorta,
    paint_chest,
    paint_liver_vessels,
    paint_mesentery,
    paint_vena_cava,
)
from jssr.phantom.viscera import (
    draw_liver,
    paint_adrenals,
    paint_gallbladder,
    paint_heart,
    paint_kidneys,
    paint_liver,
    paint_lungs,
    paint_spleen,
)


@dataclass(frozen=True)
class Patient:
    """A patient's anatomy on its reference grid, which exceeds the scan's grid by ``margin``.

    Attributes:
        seed: what the patient was made from.
        shape: the scan's grid (z, y, x); the tensors here are larger by twice ``margin``.
        spacing_mm: isotropic voxel size.
        margin: extra voxels (z, y, x) on each side, anatomy that motion brings into view.
        first, second: uint8 tissue numbers (indices of ``tissues``) of each voxel.
        share: float16, part of the voxel that ``first`` fills, 0.5 to 1.
        texture: (2, z, y, x) float16, fine and coarse texture of unit variance.
        wall_mm, spine_mm: float16 distance to the inner wall of the trunk (negative inside) and
            to the spine (negative inside).
        height_mm: float16, level in the body, 0 at the first lumbar vertebra.
        tissues: what the numbers mean, base tissues first.
        fillings: the contents of the gut, which change between scans.
        lesions: positions in mm from the grid's middle.
    """

    seed: int
    shape: tuple[int, int, int]
    spacing_mm: float
    margin: tuple[int, int, int]
    first: Tensor
    second: Tensor
    share: Tensor
    texture: Tensor
    wall_mm: Tensor
    spine_mm: Tensor
    height_mm: Tensor
    tissues: tuple[Tissue, ...]
    fillings: tuple[Filling, ...]
    lesions: tuple[Lesion, ...]

    @property
    def device(self) -> torch.device:
        """Where the patient's tensors lie."""
        return self.first.device

    @cached_property
    def labels(self) -> ReferenceLabels:
        """The patient's labels; every pair is given its own from them."""
        return ReferenceLabels.of(self.tissues, self.first, self.second, self.share)


def make_patient(
    seed: int,
    shape_zyx: tuple[int, int, int],
    spacing_mm: float,
    *,
    device: torch.device | str = "cpu",
    options: PatientOptions | None = None,
    on_part: OnPart = ignore_part,
) -> Patient:
    """Draw and build the patient of a seed.

    Args:
        seed: any integer; the same seed, grid and options give the same patient.
        shape_zyx: voxels of the scans to be made from the patient.
        spacing_mm: their isotropic spacing.
        device: where to build it and where its scans will be made.
        options: how the patient is drawn.
        on_part: called with the name of each part when it is finished.
    """
    options = options or PatientOptions()
    margin = _margin(spacing_mm, options)
    frame = _frame(seed, shape_zyx, margin, spacing_mm, torch.device(device), options)
    scene = Scene.start(seed, frame, draw_torso(Draw(seed, "torso")))
    on_part("frame")
    fillings, lesions = _paint(scene, options, on_part)
    whole = scene.canvas.whole()
    trunk = scene.trunk(whole)
    patient = Patient(
        seed=seed,
        shape=shape_zyx,
        spacing_mm=spacing_mm,
        margin=margin,
        first=scene.canvas.first,
        second=scene.canvas.second,
        share=scene.canvas.share.half(),
        texture=_texture(scene),
        wall_mm=trunk.wall.clamp(-500.0, 500.0).half(),
        spine_mm=trunk.spine.clamp(-500.0, 500.0).half(),
        height_mm=scene.points[2].half(),
        tissues=tuple(scene.tissues),
        fillings=tuple(fillings),
        lesions=lesions,
    )
    on_part("texture")
    return patient


def _margin(spacing_mm: float, options: PatientOptions) -> tuple[int, int, int]:
    reach = options.motion_margin_mm / spacing_mm
    return math.ceil(reach), math.ceil(0.5 * reach), math.ceil(0.5 * reach)


def _frame(
    seed: int,
    shape: tuple[int, int, int],
    margin: tuple[int, int, int],
    spacing_mm: float,
    device: torch.device,
    options: PatientOptions,
) -> Frame:
    draw = Draw(seed, "frame")
    size = draw.normal(1.0, 0.06)
    stretch = [size * draw.normal(1.0, 0.05) for _ in range(3)]
    turn = rotation(draw.normal(0.0, 3.0), draw.normal(0.0, 2.0), draw.normal(0.0, 4.0))
    matrix = turn @ torch.diag(1.0 / torch.tensor(stretch, dtype=torch.float64))
    height = shape[0] * spacing_mm
    level = 28.0 + draw.uniform(-0.26, 0.26) * height
    if options.center_z_mm is not None:
        level = options.center_z_mm
    shift = torch.tensor([draw.normal(0.0, 7.0), draw.normal(5.0, 7.0), level], dtype=torch.float64)
    warp = random_warp(Draw(seed, "bend"), (260.0, 130.0, 65.0), 0.22 * options.shape_variety)
    padded = tuple(count + 2 * extra for count, extra in zip(shape, margin, strict=True))
    return Frame((padded[0], padded[1], padded[2]), spacing_mm, matrix, shift, warp.to(device))


def _paint(
    scene: Scene, options: PatientOptions, on_part: OnPart
) -> tuple[list[Filling], tuple[Lesion, ...]]:
    """Paint everything, from the skin inwards; what is painted later lies on top."""
    _paint_surroundings(scene, options)
    _paint_trunk(scene)
    on_part("trunk")
    enlargement = 1.0 / float(torch.linalg.det(scene.frame.matrix))
    liver = draw_liver(scene.draw("liver"), scene.torso, enlargement)
    paint_lungs(scene, scene.canvas.whole())
    paint_chest(scene)
    paint_heart(scene)
    on_part("chest")
    paint_mesentery(scene)
    fillings = paint_gut(scene)
    on_part("bowel")
    paint_spleen(scene)
    pancreas = draw_pancreas(scene.draw("pancreas"))
    fillings += paint_stomach(scene, pancreas)
    on_part("spleen and stomach")
    paint_liver(scene, liver)
    on_part("liver")
    paint_pancreas(scene, pancreas)
    paint_kidneys(scene)
    paint_adrenals(scene)
    on_part("kidneys and pancreas")
    paint_skeleton(scene)
    on_part("skeleton")
    paint_vena_cava(scene)
    paint_aorta(scene, pancreas)
    paint_liver_vessels(scene, liver, pancreas)
    on_part("vessels")
    lesions = paint_lesions(scene, liver, options.lesions)
    paint_gallbladder(scene, liver)
    on_part("lesions and gallbladder")
    return fillings, lesions


def _paint_trunk(scene: Scene) -> None:
    whole = scene.canvas.whole()
    trunk = scene.trunk(whole)
    draw = scene.draw("layers")
    skin = trunk.skin
    scene.paint("skin", skin, whole)
    scene.paint("fat", skin + draw.uniform(1.5, 2.5), whole)
    scene.paint("muscle", trunk.outside_muscle, whole)
    layers = torch.sin(trunk.wall * draw.uniform(0.45, 0.75) + scene.roughness(draw, whole, 70.0))
    patches = 0.75 - layers - 0.5 * scene.roughness(draw, whole, 50.0)
    scene.paint("fat", torch.maximum(trunk.outside_muscle + 2.0, patches * 6.0), whole)
    scene.paint("visceral_fat", trunk.cavity, whole)
    psoas = smooth_max(trunk.spine, trunk.wall, 4.0)
    scene.paint("muscle", psoas, whole)
    if draw.chance(0.15):
        low = torch.maximum(trunk.abdomen + 1.0, 14.0 * scene.roughness(draw, whole, 90.0) + 8.0)
        scene.paint("ascites", low, whole)


def _paint_surroundings(scene: Scene, options: PatientOptions) -> None:
    """Paint the couch and, at times, the arms beside the body."""
    draw = scene.draw("surroundings")
    torso = scene.torso
    back = max(c + d for c, d in zip(torso.depth_center, torso.half_depth, strict=True))
    if draw.chance(options.table_probability):
        whole = scene.canvas.whole()
        x, y, _ = scene.points
        top = back + torso.wall + 1.2 * torso.fat[3] + draw.uniform(12.0, 30.0)
        surface = y - top + draw.uniform(0.0, 25.0) * (x / 200.0).square()
        slab = torch.maximum((surface - 9.0).abs() - 9.0, x.abs() - 210.0)
        scene.paint("table_shell", slab, whole)
        scene.paint("table", slab + draw.uniform(1.0, 2.5), whole)
    if draw.chance(0.08):
        for side in (-1.0, 1.0):
            out = side * (max(torso.half_width) + torso.wall + 1.2 * max(torso.fat) + 48.0)
            line = [[out, 20.0, -300.0], [out, 25.0, 0.0], [0.95 * out, 30.0, 300.0]]
            arm = curve(line, [33.0, 38.0, 46.0])
            scene.paint_tubes("fat", arm)
            scene.paint_tubes("muscle", arm.grown(-7.0))
            scene.paint_tubes("cortical_bone", arm.grown(10.0, scale=0.0))
            scene.paint_tubes("marrow", arm.grown(6.5, scale=0.0))


def _texture(scene: Scene) -> Tensor:
    draw = scene.draw("texture")
    shape, device = scene.frame.shape, scene.points.device
    fine = smooth_noise(draw, shape, max(2.0, 5.0 / scene.frame.spacing_mm), 1, device)
    coarse = smooth_noise(draw, shape, 28.0 / scene.frame.spacing_mm, 1, device)
    return torch.cat([fine, coarse]).half()
