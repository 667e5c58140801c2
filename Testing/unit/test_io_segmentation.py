"""Segmentations are read by Slicer's own reader with names, colours and codes."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.segmentation import (
    read_segmentation,
    read_segmentation_of,
    unknown_segments,
    write_segmentation,
)
from jssr.labels import LABELS, label_index
from jssr.spatial.geometry import Geometry


def _label_map() -> sitk.Image:
    values = np.zeros((10, 20, 30), np.uint8)
    values[2:5, 3:9, 4:20] = 1
    values[3, 4:6, 5:7] = 2
    values[6:8, 10:12, 5:9] = 5
    values[9, 19, 29] = 14
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetOrigin((5.0, -6.0, 70.0))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    return image


def _metadata(path: Path) -> dict[str, str]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}


def test_only_what_is_present_becomes_a_segment(tmp_path: Path) -> None:
    path = tmp_path / "labels.seg.nrrd"
    write_segmentation(_label_map(), path)
    stored = _metadata(path)
    names = [stored[f"Segment{n}_ID"] for n in range(4)]
    assert names == ["liver", "lesion", "left_kidney", "lung"]
    assert "Segment4_ID" not in stored
    assert [stored[f"Segment{n}_LabelValue"] for n in range(4)] == ["1", "2", "5", "14"]
    assert stored["Segment0_Extent"] == "4 19 3 8 2 4"
    assert stored["Segment3_Extent"] == "29 29 19 19 9 9"
    assert "SCT^64033007^Kidney~SCT^7771000^Left~" in stored["Segment2_Tags"]


def test_reading_gives_the_same_voxels(tmp_path: Path) -> None:
    path = tmp_path / "labels.seg.nrrd"
    write_segmentation(_label_map(), path)
    again = read_segmentation(path)
    assert np.array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(_label_map()))
    assert again.GetMetaDataKeys() == ()


def test_an_empty_label_map_is_an_empty_segmentation(tmp_path: Path) -> None:
    path = tmp_path / "labels.seg.nrrd"
    write_segmentation(_label_map() * 0, path)
    assert "Segment0_ID" not in _metadata(path)
    assert not sitk.GetArrayFromImage(read_segmentation(path)).any()


def test_segments_are_known_by_name(tmp_path: Path) -> None:
    """Slicer numbers its segments anew when it saves."""
    image = _label_map()
    image.SetMetaData("Segment0_Name", "Spleen")
    image.SetMetaData("Segment0_LabelValue", "1")
    image.SetMetaData("Segment1_Name", "Something else")
    image.SetMetaData("Segment1_LabelValue", "5")
    path = tmp_path / "renumbered.seg.nrrd"
    sitk.WriteImage(image, str(path))
    values = sitk.GetArrayFromImage(read_segmentation(path))
    spleen = next(label.index for label in LABELS if label.name == "spleen")
    assert np.array_equal(values == spleen, sitk.GetArrayFromImage(image) == 1)
    assert set(np.unique(values)) == {0, spleen}


def test_a_segmentation_must_lie_where_its_scan_lies(tmp_path: Path) -> None:
    scan, path = sitk.Cast(_label_map(), sitk.sitkInt16), tmp_path / "labels.nii.gz"
    sitk.WriteImage(_label_map(), str(path))  # NIfTI rounds its grid
    found = read_segmentation_of(scan, path)
    assert np.array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(_label_map()))
    turned, high = _label_map(), _label_map()
    turned.SetDirection((-0.8, 0.6, 0, -0.6, -0.8, 0, 0, 0, 1))
    high[0, 0, 0] = len(LABELS) + 1
    for wrong, reason in (
        (_label_map()[:, :, 2:], "voxels, but the image that it segments has"),
        (turned, "lies elsewhere than its image"),
        (high, "has the value 15, but the label table ends at 14"),
    ):
        sitk.WriteImage(wrong, str(path))
        with pytest.raises(InputError, match=rf"labels\.nii\.gz.*{reason}"):
            read_segmentation_of(scan, path)


def test_a_segment_without_a_name_is_known_by_its_id(tmp_path: Path) -> None:
    image = _label_map()
    image.SetMetaData("Segment0_ID", "spleen")
    image.SetMetaData("Segment0_LabelValue", "1")
    image.SetMetaData("Segment1_LabelValue", "2")
    path = tmp_path / "nameless.seg.nrrd"
    sitk.WriteImage(image, str(path))
    values = sitk.GetArrayFromImage(read_segmentation(path))
    spleen = next(label.index for label in LABELS if label.name == "spleen")
    assert set(np.unique(values)) == {0, spleen}
    assert unknown_segments(path) == ["Segment1"]


def _named(path: Path, *names: str) -> Path:
    """The label map with its values 1, 2, 5 as segments of these names."""
    image = _label_map()
    for number, (name, value) in enumerate(zip(names, (1, 2, 5), strict=False)):
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_LabelValue", str(value))
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("right kidney", "right_kidney"),
        ("Right Kidney", "right_kidney"),
        ("Right_kidney", "right_kidney"),
        ("inferior vena cava", "inferior_vena_cava"),
        ("SPLEEN", "spleen"),
        ("liver  lesion", "lesion"),
    ],
)
def test_case_and_underscores_of_a_name_do_not_matter(
    tmp_path: Path, written: str, name: str
) -> None:
    path = _named(tmp_path / "a.seg.nrrd", written)
    values = sitk.GetArrayFromImage(read_segmentation(path))
    assert set(np.unique(values)) == {0, label_index(name)} and unknown_segments(path) == []


def test_unknown_segments_of_a_scan_are_refused_by_name(tmp_path: Path) -> None:
    scan = sitk.Cast(_label_map(), sitk.sitkInt16)
    path = _named(tmp_path / "a.seg.nrrd", "Liver", "Tumor", "Milz")
    told = r"a\.seg\.nrrd' has segments .* \('Tumor', 'Milz'\); name them .* column 'classes'"
    with pytest.raises(InputError, match=told):
        read_segmentation_of(scan, path)
    with pytest.raises(InputError, match=r"has no segment 'lesion', but segments .*'Tumor', 'Mi"):
        read_segmentation_of(scan, path, ("liver", "lesion"))
    found = read_segmentation_of(scan, path, ("liver",))
    assert set(np.unique(sitk.GetArrayFromImage(found))) == {0, label_index("liver")}
    known = _named(tmp_path / "b.seg.nrrd", "Liver")
    read_segmentation_of(scan, known, ("liver", "lesion"))  # this liver has none


def test_of_many_unknown_segments_some_are_told(tmp_path: Path) -> None:
    image = _label_map()
    for number in range(9):
        image.SetMetaData(f"Segment{number}_Name", f"part {number}")
        image.SetMetaData(f"Segment{number}_LabelValue", str(number + 1))
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    with pytest.raises(InputError, match=r"'part 0', .*'part 4' and 4 more\)"):
        read_segmentation_of(sitk.Cast(_label_map(), sitk.sitkInt16), tmp_path / "a.seg.nrrd")


def test_segments_that_overlap_are_refused(tmp_path: Path) -> None:
    """Slicer keeps them in layers, as several values a voxel."""
    layers = sitk.Compose([_label_map(), _label_map()])
    for number in range(2):
        layers.SetMetaData(f"Segment{number}_ID", f"Segment_{number}")
        layers.SetMetaData(f"Segment{number}_LabelValue", "1")
        layers.SetMetaData(f"Segment{number}_Layer", str(number))
    path = tmp_path / "layers.seg.nrrd"
    sitk.WriteImage(layers, str(path))
    with pytest.raises(InputError, match=r"layers\.seg\.nrrd' .* overlap; export .* as one label"):
        read_segmentation(path)


def test_other_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.seg\.nrrd"):
        write_segmentation(_label_map(), tmp_path / "labels.nii.gz")


def test_slicer_reads_the_segments(tmp_path: Path) -> None:
    slicer = pytest.importorskip("slicer")
    import vtk

    path = tmp_path / "labels.seg.nrrd"
    write_segmentation(_label_map(), path)
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    segmentation = node.GetSegmentation()
    reference = segmentation.GetConversionParameter("Reference image geometry")
    matrix = np.reshape([float(value) for value in reference.split(";")[:16]], (4, 4))
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    expected = flip @ Geometry.of(_label_map()).index_to_world
    np.testing.assert_allclose(matrix, expected, atol=1e-9)
    assert reference.split(";")[16:22] == ["0", "29", "0", "19", "0", "9"]
    labels = {label.name: label for label in LABELS}
    assert segmentation.GetNumberOfSegments() == 4
    for number in range(4):
        segment = segmentation.GetNthSegment(number)
        label = labels[segmentation.GetNthSegmentID(number)]
        assert segment.GetName() == label.title
        assert segment.GetLabelValue() == label.index
        np.testing.assert_allclose(np.array(segment.GetColor()) * 255, label.color, atol=0.01)
        entry = vtk.reference("")
        assert segment.GetTag("TerminologyEntry", entry)
        assert f"SCT^{label.code.value}^{label.code.meaning}" in str(entry)
