"""The Python that the worker runs in: Slicer's own."""

import shutil
import sys


def slicerPython() -> str:
    """The program ``PythonSlicer``; outside Slicer the Python that runs this."""
    return shutil.which("PythonSlicer") or sys.executable
