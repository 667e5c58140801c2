"""What the networks of a bundle take and give, in words for the manifest."""

from jssr.bundle.manifest import Interface, Port
from jssr.labels import CLASS_COUNT

_IMAGE_SHAPE = "(batch, 1, z, y, x)"
_LABELS_SHAPE = f"(batch, {CLASS_COUNT}, z, y, x)"
_TAPER_SHAPE = "(batch, 1, Z, Y, X), as the images or larger by 8 n voxels on both sides"
_FIELD_SHAPE = "(batch, 3, Z/2, Y/2, X/2)"

_MOVING = Port("moving", _IMAGE_SHAPE, "moving scan, window scaled to [-1, 1]")
_FIXED = Port("fixed", _IMAGE_SHAPE, "fixed scan, window scaled to [-1, 1]")


def interfaces() -> dict[str, Interface]:
    """Inputs and outputs of each network of a bundle by the network's name."""
    return {
        "generator": Interface(
            inputs=(
                _MOVING,
                Port("moving_probabilities", _LABELS_SHAPE, "label probabilities of moving"),
                _FIXED,
                Port("fixed_probabilities", _LABELS_SHAPE, "label probabilities of fixed"),
            ),
            outputs=(Port("synthesized", _IMAGE_SHAPE, "moving in the phase of fixed, [-1, 1]"),),
        ),
        "register": Interface(
            inputs=(
                _MOVING,
                Port("synthesized", _IMAGE_SHAPE, "the generator's output"),
                _FIXED,
                Port("moving_valid", _IMAGE_SHAPE, "1 where the moving scan has voxels"),
                Port("fixed_valid", _IMAGE_SHAPE, "1 where the fixed scan has voxels"),
                Port("taper", _TAPER_SHAPE, "factor on the velocity, 0 at the grid's border"),
                Port("spacing_mm", "number", "isotropic voxel size of the grid"),
            ),
            outputs=(
                Port("fixed_to_moving_mm", _FIELD_SHAPE, "displacement x, y, z in LPS mm"),
                Port("moving_to_fixed_mm", _FIELD_SHAPE, "its inverse, x, y, z in LPS mm"),
            ),
        ),
        "segmentor": Interface(
            inputs=(Port("image", _IMAGE_SHAPE, "scan, window scaled to [-1, 1]"),),
            outputs=(Port("logits", _LABELS_SHAPE, "one channel a label, background first"),),
        ),
    }
