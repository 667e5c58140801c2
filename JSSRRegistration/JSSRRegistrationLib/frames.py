"""Between Slicer's world (RAS) and JSSR's (LPS)."""

import numpy as np

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns LPS points into RAS points; it is its own inverse."""


def flipped(matrix: np.ndarray) -> np.ndarray:
    """A map of LPS points as the same map of RAS points, or the other way round."""
    return LPS_TO_RAS @ matrix @ LPS_TO_RAS
