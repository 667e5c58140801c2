"""Grids, transforms, displacement fields, warping and Jacobians.

World coordinates are LPS millimetres. Displacements are tensors ``(batch, 3, z, y, x)`` whose
components stand in x, y, z order; only this package knows voxels and normalized coordinates.
"""
