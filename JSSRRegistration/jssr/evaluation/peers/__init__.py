"""Other registration methods, each run through its own package with documented settings.

Each module offers functions ``(fixed, moving, scratch) -> sitk.Transform``: fixed and moving are
float32 scans in HU, ``scratch`` is an empty folder, and the transform maps fixed points to moving
points in LPS mm. A peer's package is imported inside the function, so a missing one costs nothing.
"""
