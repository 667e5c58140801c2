"""The self-test that is made for Slicer, run in the Qt host first."""

from collections.abc import Callable

import pytest
from panel_driver import Panel


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_logic", "test_panel", "test_batch"])
def test_the_self_test_passes(openModule: Callable[[], Panel], name: str) -> None:
    openModule()
    from JSSRRegistration import JSSRRegistrationTest

    test = JSSRRegistrationTest(name)
    test.setUp()
    getattr(test, name)()
