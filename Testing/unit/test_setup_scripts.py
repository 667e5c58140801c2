"""Set-up: which build of torch is installed where, and what a missing system package does."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

# Answers as a Python whose environment holds the torch $INSTALLED, and whose pip fails on the
# arguments that match $UNREACHABLE; every call of pip is written down.
PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then
    [ -n "${INSTALLED:-}" ] && echo "$INSTALLED"
    exit 0
fi
echo "$*" >> "$CALLS"
case "$*" in
$UNREACHABLE) exit 1 ;;
esac
"""
DPKG_QUERY = """#!/bin/sh
for word in "$@"; do
    case " $PRESENT " in
    *" $word "*) echo "install ok installed"; exit 0 ;;
    esac
done
exit 1
"""
ALL_PACKAGES = (
    "libgl1 libegl1 libgl1-mesa-dri libx11-6 libxkbcommon0 libdbus-1-3 libfontconfig1 "
    "libglib2.0-0t64 fonts-dejavu-core chromium"
)


def _command(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def _run(
    arguments: list[str | Path], folder: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "CI": "", **variables}
    return subprocess.run(
        [str(word) for word in arguments],
        env=environment,
        check=False,
        capture_output=True,
        encoding="utf-8",
    )


def _install_torch(folder: Path, unreachable: str = "none", installed: str = "") -> list[str]:
    """The calls of pip that install torch 2.13.0."""
    python = _command(folder, "a-python", PYTHON)
    calls = folder / "calls"
    calls.touch()
    variables = {"CALLS": str(calls), "UNREACHABLE": unreachable, "INSTALLED": installed}
    done = _run([TOOLS / "install_torch.sh", python, "2.13.0"], folder, variables)
    assert done.returncode == 0, done.stderr
    return calls.read_text("utf-8").splitlines()


no_driver = pytest.mark.skipif(
    Path("/proc/driver/nvidia/version").exists(), reason="this computer has an NVIDIA driver"
)


@no_driver
def test_cpu_build_comes_from_the_ordinary_sources_first(tmp_path: Path) -> None:
    _command(tmp_path, "nvidia-smi", "#!/bin/sh\nexit 9\n")
    (call,) = _install_torch(tmp_path)
    assert call.endswith("torch==2.13.0+cpu")
    assert CPU_INDEX not in call


@no_driver
def test_cpu_build_comes_from_its_own_index_else(tmp_path: Path) -> None:
    _command(tmp_path, "nvidia-smi", "#!/bin/sh\nexit 9\n")
    first, second, third = _install_torch(tmp_path, unreachable="*off[[:space:]]torch*+cpu")
    assert CPU_INDEX not in first
    assert CPU_INDEX in second
    assert second.endswith("--no-deps torch==2.13.0+cpu")
    assert third.endswith("off torch==2.13.0"), "its dependencies, from the ordinary sources"


@no_driver
def test_an_index_out_of_reach_does_not_break_set_up(tmp_path: Path) -> None:
    _command(tmp_path, "nvidia-smi", "#!/bin/sh\nexit 9\n")
    calls = _install_torch(tmp_path, unreachable="*+cpu")
    assert len(calls) == 3
    assert calls[-1].endswith("torch==2.13.0")


def test_with_a_driver_the_ordinary_build_is_taken(tmp_path: Path) -> None:
    _command(tmp_path, "nvidia-smi", "#!/bin/sh\nexit 0\n")
    (call,) = _install_torch(tmp_path)
    assert call.endswith("torch==2.13.0")


@pytest.mark.parametrize("installed", ["2.13.0", "2.13.0+cpu"])
def test_what_is_installed_is_kept(tmp_path: Path, installed: str) -> None:
    assert _install_torch(tmp_path, installed=installed) == []


def test_another_version_is_replaced(tmp_path: Path) -> None:
    assert _install_torch(tmp_path, installed="2.6.0+cpu")


def _system_deps(folder: Path, action: str, present: str, ci: str = "") -> tuple[int, str, str]:
    """Exit code, messages and what apt-get was asked for."""
    _command(folder, "dpkg-query", DPKG_QUERY)
    _command(folder, "apt-get", f'#!/bin/sh\necho "$*" >> "{folder}/apt"\n')
    _command(folder, "sudo", '#!/bin/sh\n"$@"\n')
    done = _run([TOOLS / "system_deps.sh", action], folder, {"PRESENT": present, "CI": ci})
    asked = folder / "apt"
    return done.returncode, done.stderr, asked.read_text("utf-8") if asked.exists() else ""


@pytest.mark.parametrize("action", ["check", "install"])
def test_nothing_happens_where_all_packages_are_there(tmp_path: Path, action: str) -> None:
    assert _system_deps(tmp_path, action, ALL_PACKAGES, ci="true") == (0, "", "")


def test_a_missing_package_is_named_and_fails_only_in_ci(tmp_path: Path) -> None:
    present = ALL_PACKAGES.replace("chromium", "")
    code, message, _ = _system_deps(tmp_path, "check", present)
    assert code == 0
    assert "Missing Debian packages: chromium" in message
    code, message, asked = _system_deps(tmp_path, "check", present, ci="true")
    assert code == 1
    assert "chromium" in message
    assert asked == ""


def test_only_missing_packages_are_installed(tmp_path: Path) -> None:
    present = ALL_PACKAGES.replace("chromium", "").replace("libegl1 ", "")
    code, _, asked = _system_deps(tmp_path, "install", present)
    assert code == 0
    assert asked.splitlines()[0].startswith("update")
    assert asked.splitlines()[1].endswith("--no-install-recommends libegl1 chromium")
