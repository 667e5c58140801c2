"""Segmentations as Slicer keeps them: NRRD label maps with named, coloured, coded segments."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.images import read_label_map, write_image
from jssr.labels import BACKGROUND, LABELS, Code, Label, label_index
from jssr.spatial.geometry import Geometry, same_geometry

SUFFIX = ".seg.nrrd"
TERMINOLOGY_CONTEXT = "JSSR liver CT"
"""Name of the terminology in which Slicer looks the segments' codes up."""

_SAME_PLACE_MM = 0.1

_NAMES_TOLD = 5


def _key(name: str) -> str:
    """A segment's name without what people write differently: case, blanks and underscores."""
    return " ".join(name.replace("_", " ").casefold().split())


_INDEX_OF = {_key(name): label.index for label in LABELS for name in (label.title, label.name)}


def terminology_entry(label: Label) -> str:
    """The label's codes in Slicer's notation: context, category, type, modifier, and no region."""
    fields = (
        TERMINOLOGY_CONTEXT,
        _triplet(label.category),
        _triplet(label.code),
        _triplet(label.modifier),
        "Anatomic codes - DICOM master list",
        _triplet(None),
        _triplet(None),
    )
    return "~".join(fields)


def write_segmentation(label_map: sitk.Image, path: Path) -> None:
    """Writes a uint8 label map as a segmentation with one segment for each label that is present.

    Raises:
        InputError: the disk is full.
        ValueError: the suffix is not ``.seg.nrrd``.
    """
    if not path.name.endswith(SUFFIX):
        raise ValueError(f"a segmentation's name must end in {SUFFIX}, not '{path.name}'")
    image = sitk.Image(label_map)
    for key, value in _header(label_map).items():
        image.SetMetaData(key, value)
    write_image(image, path)


def read_segmentation(path: Path) -> sitk.Image:
    """The label map with the indices of :data:`jssr.labels.LABELS` that a segmentation holds.

    Segments are known by their names, in any case and with underscores or blanks, so a file that
    Slicer renumbered reads the same; those of other names are background. A file without segments
    is taken as a plain label map.

    Raises:
        InputError: it cannot be read, or its segments overlap in several layers.
    """
    label_map = read_label_map(path)
    stored = _stored_values(path)
    if not stored:
        return label_map
    table = np.zeros(int(np.iinfo(np.uint16).max) + 1, np.uint8)
    for name, value in stored:
        table[value] = _INDEX_OF.get(_key(name), BACKGROUND)
    result = sitk.GetImageFromArray(table[sitk.GetArrayViewFromImage(label_map)])
    result.CopyInformation(label_map)
    return result


def read_segmentation_of(scan: sitk.Image, path: Path, classes: Sequence[str] = ()) -> sitk.Image:
    """The segmentation of ``scan``, read as :func:`read_segmentation` does.

    Args:
        scan: the image that it segments.
        path: where it is.
        classes: names of the labels that were drawn, if that is known; then it may have segments of
            other names beside theirs.

    Raises:
        InputError: it cannot be read, is on another grid than the scan, or holds values or segments
            that the label table does not have.
    """
    labels = read_segmentation(path)
    _check_segments(path, classes)
    if labels.GetSize() != scan.GetSize():
        raise InputError(
            f"'{path}' has {labels.GetSize()} voxels, but the image that it segments has "
            f"{scan.GetSize()}; give it on the image's grid."
        )
    if not same_geometry(Geometry.of(labels), Geometry.of(scan), _SAME_PLACE_MM):
        raise InputError(
            f"'{path}' lies elsewhere than its image, or is turned against it, by its header; give "
            "it on the image's grid."
        )
    highest = int(sitk.GetArrayViewFromImage(labels).max())
    if highest > len(LABELS):
        raise InputError(
            f"'{path}' has the value {highest}, but the label table ends at {len(LABELS)}; number "
            "its structures as `jssr info` lists them."
        )
    return labels


def unknown_segments(path: Path) -> list[str]:
    """Names of a segmentation's segments that the label table does not have."""
    return [name for name, _ in _stored_values(path) if _key(name) not in _INDEX_OF]


def _check_segments(path: Path, classes: Sequence[str]) -> None:
    """Refuses a segmentation of which more than is known would be taken for background.

    Raises:
        InputError: segments have unknown names, and no ``classes`` are given, or one of them has no
            segment, which may be there by another name.
    """
    unknown = unknown_segments(path)
    known = {_INDEX_OF.get(_key(name)) for name, _ in _stored_values(path)}
    missing = [name for name in classes if label_index(name) not in known]
    if not unknown or (classes and not missing):
        return
    told = ", ".join(f"'{name}'" for name in unknown[:_NAMES_TOLD])
    more = len(unknown) - _NAMES_TOLD
    told += f" and {more} more" if more > 0 else ""
    lacks = f"has no segment '{missing[0]}', but" if missing else "has"
    advice = "" if missing else ", or name in a table's column 'classes' the labels that count"
    raise InputError(
        f"'{path}' {lacks} segments that JSSR's label table does not have ({told}); name them as "
        f"`jssr info` lists its labels, or remove them{advice}."
    )


def _header(label_map: sitk.Image) -> dict[str, str]:
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(label_map)
    present = set(shapes.GetLabels())
    header = {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ConversionParameters": f"Reference image geometry|{_reference(label_map)}|&",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    for number, label in enumerate(x for x in LABELS if x.index in present):
        box = shapes.GetBoundingBox(label.index)  # first x, y, z, then the size along each
        extent = (
            f"{first} {first + size - 1}" for first, size in zip(box[:3], box[3:], strict=True)
        )
        header |= {
            f"Segment{number}_ID": label.name,
            f"Segment{number}_Name": label.title,
            f"Segment{number}_NameAutoGenerated": "0",
            f"Segment{number}_Color": " ".join(f"{value / 255:.6f}" for value in label.color),
            f"Segment{number}_ColorAutoGenerated": "0",
            f"Segment{number}_Extent": " ".join(extent),
            f"Segment{number}_LabelValue": str(label.index),
            f"Segment{number}_Layer": "0",
            f"Segment{number}_Tags": f"TerminologyEntry:{terminology_entry(label)}|",
        }
    return header


def _reference(image: sitk.Image) -> str:
    """The grid in Slicer's notation: 4x4 matrix from index to RAS, then first and last index."""
    geometry = Geometry.of(image)
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ geometry.index_to_world
    extent = [bound for count in geometry.size for bound in (0, count - 1)]
    return "".join(f"{value:.17g};" for value in (*matrix.ravel().tolist(), *extent))


def _stored_values(path: Path) -> list[tuple[str, int]]:
    """Name, or else ID, and voxel value of each segment; none in a plain label map."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    header = {key: reader.GetMetaData(key).strip() for key in reader.GetMetaDataKeys()}
    stored: list[tuple[str, int]] = []
    while f"Segment{len(stored)}_LabelValue" in header:
        segment = f"Segment{len(stored)}"
        name = header.get(f"{segment}_Name") or header.get(f"{segment}_ID") or segment
        stored.append((name, int(header[f"{segment}_LabelValue"])))
    return stored


def _triplet(code: Code | None) -> str:
    return "^^" if code is None else f"{code.scheme}^{code.value}^{code.meaning}"
