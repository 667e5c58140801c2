"""The model of tests that need one but none that is trained."""

import pytest

from jssr.bundle.load import Bundle, load_bundle
from sample_bundle import write_untrained_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Untrained networks at 3 mm, exported and loaded once; not to be changed."""
    return load_bundle(write_untrained_bundle(tmp_path_factory.mktemp("untrained") / "model", 3.0))
