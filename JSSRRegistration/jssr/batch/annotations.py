"""Which image files of a study are segmentations, masks or label maps, and no scans."""

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.checks import is_label_map
from jssr.io.images import read_label_map
from jssr.io.reading import check_name
from jssr.phase_name import has_word

SEGMENTATION = "segmentation"
MASK_BY_NAME = "segmentation or mask by its name"
MASK_BY_VALUES = "segmentation or mask by its values"

_WORDS = (
    r"segs?|segment(?:s|ed|ations?|ierung(?:en)?|aci[oó]n(?:es)?)|masks?|masken?|masques?"
    r"|labels?|labelmaps?|rois?|annotations?"
)
# As in "portal 70 seg": seconds, in some languages.
_SECONDS = r"(?i)\d\s?seg(?![^\W_])"
_LARGEST_BYTES_A_VOXEL = 0.25


def annotation_kind(path: Path) -> str:
    """What the image file ``path`` is instead of a scan; empty where it may be one.

    A file that cannot be read may be one, too: its registration tells what is wrong.
    """
    if path.name.lower().endswith(".seg.nrrd"):
        return SEGMENTATION
    if has_word(re.sub(_SECONDS, " ", path.name), _WORDS):
        return MASK_BY_NAME
    return MASK_BY_VALUES if _is_label_map(path) else ""


def _is_label_map(path: Path) -> bool:
    """Whether its values are numbers of labels.

    Of most scans only the header is read: compressed, scans stay larger than label maps, and of
    what is not compressed one slice tells that it has air or fat.
    """
    try:
        check_name(path)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        if reader.HasMetaDataKey("Segment0_ID"):
            return True
        if reader.GetNumberOfComponents() != 1 or not _may_be_label_map(reader, path):
            return False
        image = read_label_map(path)
    except (InputError, OSError, RuntimeError, MemoryError):
        return False
    return is_label_map(image)


def _may_be_label_map(reader: sitk.ImageFileReader, path: Path) -> bool:
    size = reader.GetSize()
    stored = path.stat().st_size / np.prod(size, dtype=float)
    if stored < sitk.Image([1, 1, 1], reader.GetPixelID()).GetSizeOfPixelComponent():
        return stored <= _LARGEST_BYTES_A_VOXEL
    reader.SetExtractIndex([*(0 for _ in size[:2]), *(count // 2 for count in size[2:])])
    reader.SetExtractSize([*size[:2], *(1 for _ in size[2:])])
    middle = reader.Execute()
    return float(sitk.GetArrayViewFromImage(middle).min()) >= 0
