"""Which packages are missing, and how they are installed."""

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from JSSRRegistrationLib import packages
from JSSRRegistrationLib.packages import MissingPackages, installPackages, missingPackages


class FakePython:
    """Installed versions as ``importlib.metadata`` tells them, changed by fake installers."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions
        self.calls: list[str] = []

    def version(self, name: str) -> str:
        if name not in self.versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return self.versions[name]

    def pip(self, requirements: str) -> None:
        self.calls.append(f"pip {requirements}")
        for requirement in requirements.split():
            name, version = requirement.split(">=")
            self.versions[name] = version

    def installTorch(self, torchVersionRequirement: str) -> None:
        self.calls.append(f"torch {torchVersionRequirement}")
        self.versions["torch"] = "2.6.0+cpu"


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePython]:
    made = FakePython()
    monkeypatch.setattr(packages.importlib.metadata, "version", made.version)
    yield made


def test_absent_and_old_packages_are_missing(python: FakePython) -> None:
    python.versions = {"torch": "2.10.1+cu128", "h5py": "3.9.0"}
    assert missingPackages() == ["h5py", "safetensors"]


def test_slicer_asks_for_the_versions_that_pip_asks_for() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    asked = dict(re.findall(r'^ +"([A-Za-z0-9-]+)>=([0-9.]+)",$', text, re.MULTILINE))
    for name, oldest in {**packages.REQUIRED, **packages.FOR_REPORTS}.items():
        assert asked[name] == ".".join(map(str, oldest)), name


def test_nothing_is_imported_to_find_out() -> None:
    before = set(sys.modules)
    missingPackages()
    assert not {"torch", "h5py", "safetensors"} & (set(sys.modules) - before)


def test_torch_comes_from_its_extension_and_the_rest_by_pip(python: FakePython) -> None:
    lines: list[str] = []
    installPackages(lambda level, text: lines.append(text), python.pip, lambda: python)
    assert python.calls == ["torch >=2.6", "pip h5py>=3.10 safetensors>=0.4 matplotlib>=3.10"]
    assert missingPackages() == []
    assert lines


def test_without_the_extension_the_user_is_told_what_to_do(python: FakePython) -> None:
    with pytest.raises(MissingPackages, match="extension 'PyTorch' is missing; install it"):
        installPackages(lambda *_: None, python.pip, packages.extensionTorchLogic)
    assert python.calls == []


def test_a_failing_installation_is_told(python: FakePython) -> None:
    def fail(requirements: str) -> None:
        raise RuntimeError("no network")

    python.versions = {"torch": "2.9"}
    with pytest.raises(MissingPackages, match=r"no network.*try again"):
        installPackages(lambda *_: None, fail, lambda: python)


def test_an_installation_that_changed_nothing_is_told(python: FakePython) -> None:
    python.versions = {"torch": "2.9", "h5py": "3.16", "matplotlib": "3.10"}
    with pytest.raises(MissingPackages, match="safetensors could not be installed"):
        installPackages(lambda *_: None, lambda requirements: None, lambda: python)
