"""S on the synthesized scan: a second opinion on the moving scan's labels (the paper's S(G(x)))."""

import numpy as np
import SimpleITK as sitk
import torch

from jssr.bundle.load import Bundle
from jssr.labels import label_index
from jssr.registration.anatomy import plausible
from jssr.registration.hard_labels import hard_labels
from jssr.registration.inference import Pair
from jssr.registration.overlaid import dice
from jssr.registration.segment import Segmentation, carried
from jssr.spatial.linear import affine_to_sitk


def with_synthetic_labels(
    own: Segmentation, synthesized: torch.Tensor, pair: Pair, bundle: Bundle, linear: np.ndarray
) -> tuple[Segmentation, float | None]:
    """The moving scan's segmentation joined with S(G(x)), and how well the two agree.

    Args:
        own: S(x) on the moving scan's own grid.
        synthesized: G(x), ``(1, 1, z, y, x)`` on the pair's working grid.
        linear: 4x4 fixed-to-moving in LPS mm, by which ``pair`` was brought together.

    Returns:
        The agreement is the mean Dice over the classes that S(x) holds, lesions left out; ``None``
        where it holds none.
    """
    synthetic_labels = _segment_synthesized(synthesized, pair, bundle)
    return _joined(own, synthetic_labels, pair, linear), _agreement(pair, synthetic_labels)


def _segment_synthesized(synthesized: torch.Tensor, pair: Pair, bundle: Bundle) -> torch.Tensor:
    """S(G(x)): ``(1, classes, z, y, x)`` on the working grid."""
    with torch.no_grad():
        probabilities = (
            torch.softmax(bundle.segmentor(synthesized.to(bundle.device)), 1).float().cpu()
        )
    probabilities[:, 1:] *= pair.moving.valid
    return probabilities


def _agreement(pair: Pair, synthetic_labels: torch.Tensor) -> float | None:
    own, synthetic = hard_labels(pair.moving_probabilities), hard_labels(synthetic_labels)
    present = [int(c) for c in own.unique() if int(c) not in (0, label_index("lesion"))]
    scores = [dice(own == c, synthetic == c) for c in present]
    return sum(scores) / len(scores) if scores else None


def _joined(
    own: Segmentation, synthetic_labels: torch.Tensor, pair: Pair, linear: np.ndarray
) -> Segmentation:
    """S(x) averaged with S(G(x)) where both exist; lesions from S(x), since G may invent one."""
    back = np.linalg.inv(linear)
    on_own = carried(synthetic_labels, pair.grid, own.grid, back)
    valid = pair.grid.image(pair.moving.valid[0, 0].numpy().astype(np.float32))
    shown = sitk.Resample(valid, own.grid.empty_image(), affine_to_sitk(back), sitk.sitkLinear, 0.0)
    covered = torch.from_numpy(sitk.GetArrayFromImage(shown)) > 0.5
    joined = torch.where(covered, 0.5 * (own.probabilities + on_own), own.probabilities)
    lesion = label_index("lesion")
    joined[:, lesion] = own.probabilities[:, lesion]
    return Segmentation(own.hu, plausible(joined, own.hu, own.grid), own.grid)
