"""How well three registrations around three real phases agree, where no truth is known.

From the first scan to the second, on to the third and back to the first: if all three
registrations are right, every point ends where it began. How far from there it ends is what their
errors add up to. What all three share cancels, so this is no bound on the error; and a program that
hardly moves anything closes every loop, so the table tells how far the points moved at first.

Points are those that the default model labels liver on the first scan, and all of its body; those
that leave what a scan shows do not count.

Example: python tools/loop_error.py portal.nii.gz arterial.nii.gz native.nii.gz \\
    --methods jssr,elastix --threads 1 --output loop
"""

import argparse
import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.bundle.load import load_bundle
from jssr.errors import InputError
from jssr.evaluation.benchmark import found_transform
from jssr.evaluation.methods import Method, choose_methods
from jssr.evaluation.process import MethodFailed, run_measured
from jssr.io.atomic import OutputFolder
from jssr.io.images import read_scan
from jssr.labels import label_index
from jssr.registration.body import body_mask
from jssr.registration.field_of_view import Scan
from jssr.registration.segment import segment
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import apply_linear
from jssr.spatial.transform import SpatialTransform


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path, nargs=3, help="three phases of one patient")
    parser.add_argument("--methods", default="jssr", help="as for jssr benchmark")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    try:
        with OutputFolder(arguments.output) as folder:
            methods = choose_methods(arguments.methods)
            absent = next(filter(None, (method.missing() for method in methods)), None)
            if absent is not None:
                raise InputError(absent)
            rows = []
            images = [read_scan(path) for path in arguments.scans]
            grids = [Geometry.of(image) for image in images]
            regions = points_of(images[0])
            for method in methods:
                try:
                    transforms = around(method, arguments.scans, folder, arguments.threads)
                except MethodFailed as error:
                    print(f"{method.name}: {error}", file=sys.stderr, flush=True)
                    continue
                for region, points in regions.items():
                    row = {"method": method.name, "region": region}
                    row |= loop_figures(transforms, grids, points)
                    print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
                    rows.append(row)
            if not rows:
                raise InputError("No method registered all three pairs.")
            with (folder / "loop.csv").open("w", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, list(rows[0]))
                table.writeheader()
                table.writerows(rows)
    except InputError as error:
        raise SystemExit(str(error)) from error


def points_of(image: sitk.Image) -> dict[str, np.ndarray]:
    """Points ``(n, 3)`` in mm of the liver, as the default model sees it, and of the body."""
    found = segment(Scan.of(image).image, load_bundle())
    liver = found.labels().numpy() == label_index("liver")
    body = sitk.GetArrayFromImage(body_mask(found.grid.image(found.hu.numpy()))) > 0
    return {
        name: apply_linear(found.grid.index_to_world, np.argwhere(mask)[:, ::-1].astype(float))
        for name, mask in (("liver", liver), ("body", body))
    }


def around(
    method: Method, scans: Sequence[Path], folder: Path, threads: int
) -> list[SpatialTransform]:
    """From each scan to the next, and from the last to the first."""
    transforms = []
    for fixed, moving in zip(scans, [*scans[1:], scans[0]], strict=True):
        with tempfile.TemporaryDirectory(prefix=".run-", dir=folder) as scratch:
            place = Path(scratch) / "output"
            command = method.command(fixed, moving, place, None, "cpu")
            run_measured(command, Path(scratch), threads=threads)
            transforms.append(found_transform(place))
    return transforms


def loop_figures(
    transforms: Sequence[SpatialTransform], grids: Sequence[Geometry], points_mm: np.ndarray
) -> dict[str, float]:
    """Distances in mm between where points begin and end, and how far the first transform moves.

    Args:
        grids: of the scans; the first transform maps points of the first scan to the second's.
        points_mm: ``(n, 3)`` on the first scan.
    """
    places = [points_mm]
    counted = np.ones(len(points_mm), bool)
    for transform, grid in zip(transforms, [*grids[1:], grids[0]], strict=True):
        places.append(transform.apply(places[-1]))
        counted &= shown(places[-1], grid)
    if not counted.any():
        raise InputError("No point of the region stays in view of all three scans; use others.")
    moved, left = (
        np.linalg.norm(place - points_mm, axis=1)[counted] for place in (places[1], places[-1])
    )
    return {
        "points": int(counted.sum()),
        "moved_mm": round(float(moved.mean()), 2),
        "loop_mean_mm": round(float(left.mean()), 2),
        "loop_p95_mm": round(float(np.percentile(left, 95)), 2),
    }


def shown(points_mm: np.ndarray, grid: Geometry) -> np.ndarray:
    """Which points ``(n, 3)`` lie between the centres of the outermost voxels, ``(n,)`` bool."""
    index = apply_linear(np.linalg.inv(grid.index_to_world), points_mm)
    return np.all((index >= 0) & (index <= np.array(grid.size) - 1), axis=1)


if __name__ == "__main__":
    main()
