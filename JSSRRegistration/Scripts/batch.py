"""Register a whole cohort in Slicer, without its window.

    Slicer --no-main-window --python-script batch.py -- --input TABLE.csv --output DIR

``--help`` after ``--`` lists the options. Slicer ends with code 0, with 1 if a case failed, and
with 2 if the input could not be used.
"""

import sys
from pathlib import Path

import slicer
import slicer.util

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

exitCode = 2
try:
    from JSSRRegistrationLib.batch import main

    exitCode = main(sys.argv[1:])
finally:
    # Slicer would wait for its user otherwise, whatever went wrong above.
    slicer.util.exit(exitCode)
