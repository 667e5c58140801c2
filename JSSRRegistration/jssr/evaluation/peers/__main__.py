"""Registers two scans with one peer, in this process: started by the benchmark, which measures it.

Usage: ``python -m jssr.evaluation.peers MODULE:FUNCTION FIXED MOVING OUTPUT``
"""

import importlib
import sys
import tempfile
from pathlib import Path

import SimpleITK as sitk

from jssr.evaluation.methods import DISPLACEMENT_FILE
from jssr.hounsfield import AIR_HU
from jssr.io.images import read_scan
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import displacement_image


def main(function: str, fixed_path: Path, moving_path: Path, output: Path) -> None:
    """Writes the displacement on the fixed grid and the warped scan into ``output``."""
    module, name = function.split(":")
    register = getattr(importlib.import_module(f"jssr.evaluation.peers.{module}"), name)
    fixed = sitk.Cast(read_scan(fixed_path), sitk.sitkFloat32)
    moving = sitk.Cast(read_scan(moving_path), sitk.sitkFloat32)
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        transform = register(fixed, moving, Path(scratch))
    output.mkdir(exist_ok=True)
    warped = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, AIR_HU, sitk.sitkInt16)
    sitk.WriteImage(warped, output / "warped.nii.gz", True)
    displacement = displacement_image(transform, Geometry.of(fixed))
    sitk.WriteImage(displacement, output / DISPLACEMENT_FILE)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
