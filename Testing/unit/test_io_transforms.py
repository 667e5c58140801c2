"""Written transforms are read and applied by SimpleITK and by Slicer's own reader."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.transforms import read_linear, read_transform, write_transform
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk, apply_linear, rotation, translation
from jssr.spatial.transform import SpatialTransform
from sample_scans import forbidden

TOLERANCE_MM = 1e-4


def _oblique_grid(size: tuple[int, int, int] = (9, 7, 8)) -> Geometry:
    direction = rotation(np.array([0.3, -0.2, 0.5]), np.zeros(3))[:3, :3]
    return Geometry(size, (3.0, 4.0, 5.0), (-12.0, 30.0, -100.0), tuple(direction.ravel()))


def _transform(linear_first: bool) -> SpatialTransform:
    grid = _oblique_grid()
    field = np.random.default_rng(1).normal(0, 5, (3, *grid.shape_zyx)).astype(np.float32)
    linear = rotation(np.array([0.02, 0.05, -0.03]), np.full(3, 20.0)) @ translation((4, -9, 7))
    return SpatialTransform(linear, field, grid, linear_first)


def _points(transform: SpatialTransform, count: int = 60) -> np.ndarray:
    """Points whose place in the field is inside its grid, and some far outside."""
    grid = transform.grid
    assert grid is not None
    random = np.random.default_rng(2)
    index = random.uniform(0, np.array(grid.size) - 1, (count, 3))
    inside = index @ grid.index_to_world[:3, :3].T + grid.index_to_world[:3, 3]
    points = np.concatenate([inside, random.uniform(400, 500, (10, 3))])
    if transform.linear_first:
        inverse = np.linalg.inv(transform.linear)
        points = points @ inverse[:3, :3].T + inverse[:3, 3]
    return points


def _by_sitk(path: Path, points: np.ndarray) -> np.ndarray:
    transform = sitk.ReadTransform(str(path))
    return np.array([transform.TransformPoint(point.tolist()) for point in points])


@pytest.mark.parametrize("linear_first", [False, True])
def test_sitk_maps_points_as_the_transform_does(tmp_path: Path, linear_first: bool) -> None:
    transform = _transform(linear_first)
    path = tmp_path / "t.h5"
    write_transform(transform, path)
    points = _points(transform)
    mapped = _by_sitk(path, points)
    assert np.abs(mapped - transform.apply(points)).max() < TOLERANCE_MM
    displaced = np.linalg.norm(mapped - points, axis=1)
    assert displaced.max() > 5  # the field is not lost


@pytest.mark.parametrize("linear_first", [False, True])
def test_reading_gives_back_what_was_written(tmp_path: Path, linear_first: bool) -> None:
    transform = _transform(linear_first)
    path = tmp_path / "t.h5"
    write_transform(transform, path)
    again = read_transform(path)
    assert again.linear_first is linear_first
    assert again.grid is not None and again.displacement_mm is not None
    assert again.grid.size == _oblique_grid().size
    assert np.array_equal(again.displacement_mm, transform.displacement_mm)
    np.testing.assert_allclose(again.linear, transform.linear, atol=1e-12)


def test_a_linear_transform_alone(tmp_path: Path) -> None:
    matrix = translation((1, 2, 3)) @ rotation(np.array([0, 0, 0.1]), np.zeros(3))
    path = tmp_path / "t.h5"
    write_transform(SpatialTransform(matrix), path)
    again = read_transform(path)
    assert again.displacement_mm is None
    np.testing.assert_allclose(again.linear, matrix, atol=1e-12)
    np.testing.assert_allclose(read_linear(path), matrix, atol=1e-12)


def test_equal_transforms_make_equal_files(tmp_path: Path) -> None:
    write_transform(_transform(False), tmp_path / "a.h5")
    time.sleep(1.1)  # HDF5 counts time in seconds
    write_transform(_transform(False), tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_smooth_fields_are_packed(tmp_path: Path) -> None:
    grid = Geometry((40, 40, 40), (3.0, 3.0, 3.0), (0.0, 0.0, 0.0))
    ramp = np.zeros((3, *grid.shape_zyx), np.float32)
    ramp[2] = np.linspace(0, 10, 40, dtype=np.float32)[:, None, None]
    write_transform(SpatialTransform(np.eye(4), ramp, grid), tmp_path / "t.h5")
    assert (tmp_path / "t.h5").stat().st_size < ramp.nbytes / 10


def test_slicer_reads_the_composite(tmp_path: Path) -> None:
    slicer = pytest.importorskip("slicer")
    transform = _transform(False)
    path = tmp_path / "t.h5"
    write_transform(transform, path)
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    from_parent = node.GetTransformFromParent()
    for number in range(from_parent.GetNumberOfConcatenatedTransforms()):
        part = from_parent.GetConcatenatedTransform(number)
        if hasattr(part, "SetInterpolationModeToLinear"):  # Slicer reads grids as cubic
            part.SetInterpolationModeToLinear()
    ras = np.array([-1.0, -1.0, 1.0])
    inside = _points(transform)[:60]
    mapped = np.array([from_parent.TransformPoint(p.tolist()) for p in inside * ras]) * ras
    assert np.abs(mapped - transform.apply(inside)).max() < 1e-3


def test_a_field_in_an_image_file(tmp_path: Path) -> None:
    grid = _oblique_grid()
    field = np.random.default_rng(3).normal(0, 4, (3, *grid.shape_zyx)).astype(np.float32)
    path = tmp_path / "field.nrrd"
    sitk.WriteImage(grid.vector_image(field), str(path))
    transform = read_transform(path)
    truth = sitk.DisplacementFieldTransform(grid.vector_image(field))
    points = _points(SpatialTransform(np.eye(4), field, grid), 20)
    expected = np.array([truth.TransformPoint(p.tolist()) for p in points])
    assert np.abs(transform.apply(points) - expected).max() < TOLERANCE_MM


def test_composites_of_several_linear_parts(tmp_path: Path) -> None:
    field = _transform(False)
    assert field.displacement_mm is not None and field.grid is not None
    parts = [
        sitk.TranslationTransform(3, (1.0, 2.0, 3.0)),
        affine_to_sitk(field.linear),
        sitk.DisplacementFieldTransform(field.grid.vector_image(field.displacement_mm)),
    ]
    path = tmp_path / "c.h5"
    sitk.WriteTransform(sitk.CompositeTransform(parts), str(path))
    points = _points(field)
    assert np.abs(read_transform(path).apply(points) - _by_sitk(path, points)).max() < TOLERANCE_MM


@pytest.mark.parametrize("suffix", [".tfm", ".txt", ".mat", ".h5"])
def test_initial_transforms_of_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    rigid = sitk.Euler3DTransform((10.0, -5.0, 3.0), 0.1, -0.2, 0.3, (7.0, -4.0, 9.0))
    path = tmp_path / f"initial{suffix}"
    sitk.WriteTransform(rigid, str(path))
    matrix = read_linear(path)
    point = np.array([20.0, 30.0, -40.0])
    expected = rigid.TransformPoint(point.tolist())
    np.testing.assert_allclose(matrix[:3, :3] @ point + matrix[:3, 3], expected, atol=TOLERANCE_MM)


def test_the_linear_parts_of_an_initial_composite_are_applied_in_itks_order(
    tmp_path: Path,
) -> None:
    parts = [
        sitk.TranslationTransform(3, (40.0, -10.0, 5.0)),
        sitk.Euler3DTransform((10.0, -5.0, 3.0), 0.4, -0.2, 0.3, (7.0, -4.0, 9.0)),
        sitk.ScaleTransform(3, (1.2, 0.9, 1.1)),
    ]
    path = tmp_path / "several.h5"
    sitk.WriteTransform(sitk.CompositeTransform(parts), str(path))
    points = np.random.default_rng(4).uniform(-100, 100, (20, 3))
    matrix = read_linear(path)
    assert np.abs(apply_linear(matrix, points) - _by_sitk(path, points)).max() < TOLERANCE_MM


def test_a_deformable_initial_transform_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    write_transform(_transform(False), path)
    with pytest.raises(InputError, match="not a linear transform"):
        read_linear(path)


def test_singular_and_planar_transforms_are_refused(tmp_path: Path) -> None:
    flat = sitk.AffineTransform(3)
    flat.SetMatrix((1, 0, 0, 0, 1, 0, 0, 0, 0))
    sitk.WriteTransform(flat, str(tmp_path / "flat.tfm"))
    with pytest.raises(InputError, match=r"flat\.tfm.*cannot be inverted"):
        read_linear(tmp_path / "flat.tfm")
    sitk.WriteTransform(sitk.AffineTransform(2), str(tmp_path / "planar.tfm"))
    with pytest.raises(InputError, match="2D transform"):
        read_linear(tmp_path / "planar.tfm")


@pytest.mark.parametrize("read", [read_transform, read_linear])
def test_a_file_that_must_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    write_transform(SpatialTransform(np.eye(4)), tmp_path / "one.h5")
    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(InputError, match=r"one\.h5' cannot be read for want of permission"):
        read(tmp_path / "one.h5")


@pytest.mark.parametrize("read", [read_transform, read_linear])
def test_missing_and_damaged_files_are_refused(tmp_path: Path, read) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read(tmp_path / "nothing.h5")
    damaged = tmp_path / "damaged.h5"
    damaged.write_text("no transform")
    with pytest.raises(InputError, match=r"damaged\.h5.*cannot be read as a transform"):
        read(damaged)


def test_other_deformable_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "spline.tfm"
    sitk.WriteTransform(sitk.BSplineTransform(3), str(path))
    with pytest.raises(InputError, match="not one displacement field"):
        read_transform(path)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the system refuses to write on."""
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from jssr.errors import InputError; from jssr.io.transforms import write_transform\n"
        "from jssr.spatial.geometry import Geometry\n"
        "from jssr.spatial.transform import SpatialTransform\n"
        "noise = np.random.default_rng(0).normal(size=(3, 40, 40, 40)).astype(np.float32)\n"
        "grid = Geometry((40, 40, 40), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))\n"
        "try:\n    write_transform(SpatialTransform(np.eye(4), noise, grid), Path(sys.argv[1]))\n"
        "except InputError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(tmp_path / "t.h5")],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "JSSRRegistration")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        encoding="utf-8",
    )
    assert "There is no space left to write" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
