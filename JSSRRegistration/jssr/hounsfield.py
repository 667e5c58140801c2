"""What the package takes for air."""

AIR_HU = -1024.0
"""Also what stands where a scan has no voxel."""
