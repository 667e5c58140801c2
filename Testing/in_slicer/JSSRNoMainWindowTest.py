"""Runs the module's self-test in a Slicer without a main window, as a batch would.

By ctest, or by hand in a Slicer that knows the module and has PyTorch::

    Slicer --testing --no-main-window --python-script Testing/in_slicer/JSSRNoMainWindowTest.py

Ends Slicer with code 0 if all passed, 77 if PyTorch is missing, 1 else.
"""

import sys
import unittest

import slicer
import slicer.util

PASSED, FAILED, SKIPPED = 0, 1, 77

exitCode = FAILED
try:
    from JSSRRegistration import JSSRRegistrationTest

    # The panel needs a main window; logic and batch must do without.
    suite = unittest.TestSuite(map(JSSRRegistrationTest, ("test_logic", "test_batch")))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    if result.skipped:
        exitCode = SKIPPED
    elif result.wasSuccessful():
        exitCode = PASSED
finally:
    # Slicer would wait for its user otherwise, whatever went wrong above.
    slicer.util.exit(exitCode)
