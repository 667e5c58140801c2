"""Aorta and branches, vena cava, portal and hepatic veins, vessels of the lungs."""

import torch
from torch import Tensor

from jssr.phantom.draw import Draw
from jssr.phantom.geometry import smooth_max
from jssr.phantom.pancreas import Pancreas
from jssr.phantom.scene import Scene
from jssr.phantom.trees import grow_tree, points_inside
from jssr.phantom.tubes import Tubes, curve
from jssr.phantom.viscera import LIVER_HIGH, LIVER_LOW, Liver

SPLENIC_HILUM = [92.0, 22.0, 38.0]


def _along_spine(
    scene: Scene, levels: list[float], side: list[float], front: list[float]
) -> list[list[float]]:
    """Points at x = spine + side and y = spine - front for each level."""
    x, y = scene.torso.spine_center(torch.tensor(levels))
    return [
        [float(a) + s, float(b) - f, z]
        for a, b, z, s, f in zip(x, y, levels, side, front, strict=True)
    ]


def paint_aorta(scene: Scene, pancreas: Pancreas) -> None:
    """Paint the aorta with its main branches and calcified plaques."""
    draw = scene.draw("aorta")
    size = draw.normal(1.0, 0.13)
    levels = [230.0, 150.0, 80.0, 20.0, -40.0, -105.0]
    wander = draw.normal(0.0, 3.0)
    line = _along_spine(
        scene, levels, [20, 18, 12, 6 + wander, 7 + wander, 3], [8, 14, 24, 29, 29, 28]
    )
    radii = [12.5 * size, 12.0 * size, 11.5 * size, 10.5 * size, 9.0 * size, 8.5 * size]
    aorta = curve(line, radii, pieces=6)
    split = line[-1]
    iliac = [
        curve(
            [
                split,
                [split[0] + s * 22, split[1] - 2, split[2] - 32],
                [split[0] + s * 48, split[1] + 14, split[2] - 75],
            ],
            [6.0, 5.5, 5.0],
        )
        for s in (-1.0, 1.0)
    ]
    scene.paint_tubes("artery", iliac[0] + iliac[1] + _aortic_branches(draw, line, pancreas))
    _paint_crura(scene, line)
    scene.paint_tubes("aorta", aorta)
    _paint_plaques(scene, draw, aorta)


def _paint_crura(scene: Scene, aorta: list[list[float]]) -> None:
    for side in (-1.0, 1.0):
        points = [[x + side * (13 if side > 0 else 20), y + 4, z] for x, y, z in aorta[2:5]]
        scene.paint_tubes("muscle", curve(points, [3.5, 4.5, 2.0]))


def _aortic_branches(draw: Draw, line: list[list[float]], pancreas: Pancreas) -> Tubes:
    x, y, _ = line[3]
    celiac, superior = draw.normal(14.0, 4.0), draw.normal(2.0, 4.0)
    front = [x - 2, y - 26, celiac + 4]
    branches = [
        curve([[x, y, celiac], [x, y - 16, celiac - 2], front], [4.2, 3.8, 3.4]),
        curve([front, [x - 18, y - 30, celiac + 8], [-32.0, -22.0, 24.0]], [2.8, 2.6, 2.4]),
        curve([front, *pancreas.splenic_artery(), SPLENIC_HILUM], [3.0, 2.8, 2.6, 2.4, 2.0]),
        curve(
            [
                [x, y, superior],
                [x, y - 15, superior - 10],
                [x - 2, y - 22, -40.0],
                [x - 6, y - 30, -100.0],
            ],
            [4.0, 3.8, 3.4, 2.4],
        ),
    ]
    for side in (-1.0, 1.0):
        end = [side * 50.0, y + 26, -22.0 if side > 0 else -34.0]
        middle = [x + side * 20, y + 8, -12.0]
        branches.append(curve([[x, y, -6.0], middle, end], [3.2, 3.0, 2.4]))
    total = branches[0]
    for branch in branches[1:]:
        total = total + branch
    return total


def _paint_plaques(scene: Scene, draw: Draw, aorta: Tubes) -> None:
    for _ in range(draw.choice([0, 3, 10, 24], [0.4, 0.3, 0.2, 0.1])):
        index = draw.integer(0, len(aorta.starts) - 1)
        angle = draw.normals(2)
        angle = angle / angle.norm().clamp(min=1e-3)
        center = aorta.starts[index] + draw.uniform() * (aorta.ends[index] - aorta.starts[index])
        center[:2] += angle * aorta.start_radii[index]
        end = center + draw.normals(3) * torch.tensor([1.5, 1.5, 4.0])
        size = torch.full((1,), draw.uniform(0.7, 2.2))
        scene.paint_tubes("calcification", Tubes(center[None], end[None], size, size))


def paint_vena_cava(scene: Scene) -> None:
    """Paint the inferior vena cava, unmixed below the renal veins, and those veins."""
    draw = scene.draw("vena cava")
    wide = draw.uniform(8.0, 13.0)
    levels = [104.0, 78.0, 45.0, 10.0, -30.0, -105.0]
    line = _along_spine(scene, levels, [-24, -26, -26, -22, -20, -15], [58, 46, 34, 29, 27, 23])
    radii = [wide * f for f in (1.1, 1.15, 1.1, 1.0, 0.95, 0.85)]
    x, y, _ = line[4]
    renal = [
        curve([[x, y, -18.0], [x - 22, y + 10, -28.0], [-52.0, y + 28, -34.0]], [5.0, 4.5, 3.5]),
        curve(
            [[x, y, -12.0], [8.0, y - 10, -10.0], [30.0, y + 8, -14.0], [50.0, y + 24, -20.0]],
            [4.5, 4.5, 5.0, 3.5],
        ),
    ]
    scene.paint_tubes("vein", renal[0] + renal[1])
    for s in (-1.0, 1.0):
        low = line[-1]
        scene.paint_tubes(
            "vein_low",
            curve(
                [
                    low,
                    [low[0] + s * 20 + 4, low[1] + 4, low[2] - 30],
                    [s * 46.0, low[1] + 20, low[2] - 72],
                ],
                [6.5, 6.0, 6.0],
            ),
        )
    drawn = scene.tube_distance(curve(line, radii, pieces=6), 6.0)
    if drawn is None:
        return
    distance, box = drawn
    scene.paint("vena_cava", distance, box)
    z = scene.points[2][box]
    mixing = 9.0 * scene.roughness(draw, box, 13.0)
    low = smooth_max(distance, (z + draw.normal(2.0, 12.0) + mixing) * 0.5, 4.0)
    scene.paint("vena_cava_low", low, box, only=scene.mask(["vena_cava"], box))


def paint_liver_vessels(scene: Scene, liver: Liver, pancreas: Pancreas) -> None:
    """Paint portal vein with splenic and mesenteric vein, hepatic veins and arteries."""
    draw = scene.draw("liver vessels")

    def inside(points: Tensor) -> Tensor:
        return liver.distance(points, scene.torso)

    portal = _portal_tree(scene, draw, inside, pancreas.splenic_vein())
    hepatic = _hepatic_tree(scene, draw, inside)
    widest = 1.7 * draw.uniform(0.9, 1.1)
    fine_portal = 0.5 * (portal.start_radii + portal.end_radii) < widest
    fine_hepatic = 0.5 * (hepatic.start_radii + hepatic.end_radii) < widest
    arteries = portal.select(~fine_portal)
    shift = torch.tensor([3.0, -3.0, 1.0])
    beside = Tubes(
        arteries.starts + shift,
        arteries.ends + shift,
        0.28 * arteries.start_radii,
        0.28 * arteries.end_radii,
    )
    scene.paint_tubes("hepatic_branch", hepatic.select(fine_hepatic))
    scene.paint_tubes("portal_branch", portal.select(fine_portal))
    scene.paint_tubes("hepatic_artery", beside)
    scene.paint_tubes("hepatic_vein", hepatic.select(~fine_hepatic))
    scene.paint_tubes("portal_vein", portal.select(~fine_portal))


def _portal_tree(scene: Scene, draw: Draw, inside, splenic: list[list[float]]) -> Tubes:
    confluence = [splenic[2][0] - 2, splenic[2][1], splenic[2][2]]
    hilum = [draw.normal(-34.0, 4.0), draw.normal(-14.0, 5.0), draw.normal(34.0, 6.0)]
    middle = [0.5 * (a + b) + draw.normal(0.0, 2.0) for a, b in zip(confluence, hilum, strict=True)]
    wide = draw.uniform(5.6, 8.0)
    trunk = curve([confluence, middle, hilum], [wide, wide, 0.95 * wide])
    supply = curve([confluence, *splenic[3:], SPLENIC_HILUM], [4.6, 4.4, 4.2, 3.8, 3.2])
    mesenteric = curve(
        [
            confluence,
            [confluence[0] + 1, confluence[1] - 3, -30.0],
            [-2.0, confluence[1] - 12, -95.0],
        ],
        [5.4, 5.0, 4.0],
    )
    scene.paint_tubes("vein", mesenteric)
    right = curve([hilum, [-58.0, -4.0, 38.0], [-78.0, 2.0, 40.0]], [5.2, 5.0, 4.2])
    left = curve([hilum, [-20.0, -30.0, 46.0], [-2.0, -44.0, 54.0]], [4.6, 4.2, 3.8])
    targets = points_inside(draw, inside, LIVER_LOW, LIVER_HIGH, 260, 5.0)
    # Towards the front the border between the lobes leans to the left.
    to_left = targets[:, 0] > -28.0 - 0.09 * targets[:, 1].clamp(max=0.0)
    trees = trunk + supply + right + left
    for stem, chosen in ((right, ~to_left), (left, to_left)):
        if bool(chosen.any()):
            trees = trees + grow_tree(draw, stem, targets[chosen], 4.6)
    return trees


def _hepatic_tree(scene: Scene, draw: Draw, inside) -> Tubes:
    entry = _along_spine(scene, [84.0], [-26.0], [48.0])[0]
    targets = points_inside(draw, inside, LIVER_LOW, LIVER_HIGH, 240, 5.0)
    stems = (
        curve([entry, [-62.0, 4.0, 72.0], [-88.0, 10.0, 46.0]], [5.2, 4.8, 3.4]),
        curve([entry, [-40.0, -26.0, 70.0], [-52.0, -40.0, 40.0]], [4.6, 4.2, 3.0]),
        curve([entry, [-12.0, -34.0, 76.0], [14.0, -50.0, 66.0]], [4.4, 4.0, 2.8]),
    )
    middles = torch.stack([torch.cat([s.starts, s.ends[-1:]])[4:].mean(0) for s in stems])
    owner = torch.cdist(targets, middles).argmin(1)
    trees = stems[0] + stems[1] + stems[2]
    for number, stem in enumerate(stems):
        chosen = owner == number
        if bool(chosen.any()):
            trees = trees + grow_tree(draw, stem, targets[chosen], 4.2)
    return trees


def paint_chest(scene: Scene) -> None:
    """Paint oesophagus, great vessels, airways and the vessel trees of the lungs."""
    draw = scene.draw("chest")
    line = _along_spine(scene, [230.0, 150.0, 95.0, 66.0], [4, 4, 14, 30], [26, 32, 46, 42])
    scene.paint_tubes("bowel_wall", curve(line, [6.5, 6.5, 7.0, 7.5]))
    top = scene.frame.shape[0] * scene.frame.spacing_mm * 0.5 + float(scene.frame.shift_mm[2])
    if top < 60.0:
        return
    _paint_great_vessels(scene, draw)
    for side in (-1.0, 1.0):

        def inside(points: Tensor, right: bool = side < 0) -> Tensor:
            return scene.trunk_at(points).lung(right)

        low = [-140.0 if side < 0 else 10.0, -90.0, 0.0]
        high = [low[0] + 130.0, 90.0, top + 40.0]
        targets = points_inside(draw, inside, low, high, 260, 4.0)
        if len(targets) == 0:
            continue
        stem = curve(
            [[side * 22.0, 2.0, 165.0], [side * 34.0, 8.0, 150.0], [side * 46.0, 16.0, 130.0]],
            [8.0, 7.0, 5.0],
        )
        scene.paint_tubes("lung_vessel", grow_tree(draw, stem, targets, 5.0, 0.6))


def _paint_great_vessels(scene: Scene, draw: Draw) -> None:
    size = draw.normal(1.0, 0.1)
    base = scene.torso.dome_saddle + 78.0
    cava = [[-28.0, -18.0, base - 10], [-28.0, -22.0, base + 30], [-24.0, -26.0, base + 90]]
    ascending = [[6.0, -22.0, base - 20], [-8.0, -34.0, base + 20], [2.0, -28.0, base + 70]]
    trunk = [[16.0, -44.0, base - 14], [22.0, -34.0, base + 18], [16.0, -12.0, base + 30]]
    right = [trunk[-1], [-10.0, -8.0, base + 30], [-40.0, 2.0, base + 22]]
    left = [trunk[-1], [30.0, 4.0, base + 32], [48.0, 14.0, base + 26]]
    scene.paint_tubes("right_heart", curve(cava, [10.0 * size, 10.0 * size, 9.0 * size]))
    for points in (trunk, right, left):
        wide = 13.0 * size if points is trunk else 10.0 * size
        scene.paint_tubes("lung_vessel", curve(points, [wide] * 3))
    scene.paint_tubes("aorta", curve(ascending, [15.0 * size, 16.5 * size, 15.0 * size]))
    trachea = [[0.0, 4.0, base + 100], [0.0, 6.0, base + 50]]
    scene.paint_tubes("airway", curve(trachea, [8.5, 8.5]))
    for side in (-1.0, 1.0):
        bronchus = [trachea[-1], [side * 22.0, 12.0, base + 28], [side * 46.0, 18.0, base + 4]]
        scene.paint_tubes("airway", curve(bronchus, [7.0, 6.0, 4.5]))


def paint_mesentery(scene: Scene) -> None:
    """Paint the fine vessels and nodes in the fat of the mesentery."""
    draw = scene.draw("mesentery")
    trunk = scene.torso.depth_center[3] - scene.torso.half_depth[3] + 14.0

    def inside(points: Tensor) -> Tensor:
        return scene.trunk_at(points).abdomen

    low, high = [-95.0, trunk, -150.0], [95.0, 25.0, 0.0]
    targets = points_inside(draw, inside, low, high, draw.integer(60, 140), 6.0)
    stem = curve([[-2.0, -2.0, 0.0], [0.0, -18.0, -45.0], [-6.0, -26.0, -100.0]], [4.5, 4.0, 3.0])
    tree = grow_tree(draw, stem, targets, 3.6, 0.6)
    scene.paint_tubes("vein", tree)
    for place in targets[: draw.integer(4, 16)]:
        size = torch.full((1,), draw.uniform(1.5, 4.5))
        end = place + draw.normals(3) * 3.0
        scene.paint_tubes("node", Tubes(place[None], end[None], size, size))
