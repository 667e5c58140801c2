"""The Python packages that the worker needs and Slicer does not bring along."""

import importlib
import importlib.metadata
import re
from collections.abc import Callable
from typing import Any

from jssr.errors import JSSRError

REQUIRED: dict[str, tuple[int, int]] = {"torch": (2, 6), "h5py": (3, 10), "safetensors": (0, 4)}
"""Package and the oldest version that works."""

FOR_REPORTS: dict[str, tuple[int, int]] = {"matplotlib": (3, 10)}
"""What only the quality report needs."""

Log = Callable[[str, str], None]


class MissingPackages(JSSRError):
    """Packages are missing that have to be installed first."""


def missingPackages(reports: bool = False) -> list[str]:
    """Names of the packages that are absent or too old; none of them is imported."""
    needed = {**REQUIRED, **FOR_REPORTS} if reports else REQUIRED
    return [name for name, oldest in needed.items() if not _installed(name, oldest)]


def installPackages(
    log: Log,
    pipInstall: Callable[[str], Any],
    torchLogic: Callable[[], Any],
) -> None:
    """Install what is missing, the packages for reports too.

    Args:
        pipInstall: ``slicer.util.pip_install``.
        torchLogic: makes the logic of the PyTorch extension; raises ``ImportError`` without it.

    Raises:
        MissingPackages: the PyTorch extension is missing, or the installation failed.
    """
    missing = missingPackages(reports=True)
    if "torch" in missing:
        _installTorch(log, torchLogic)
        missing.remove("torch")
    if missing:
        requirements = " ".join(_requirement(name) for name in missing)
        log("info", f"Installing {requirements}")
        _attempt(lambda: pipInstall(requirements), requirements)
    importlib.invalidate_caches()
    still = missingPackages(reports=True)
    if still:
        raise MissingPackages(f"{', '.join(still)} could not be installed; see Slicer's log.")


def extensionTorchLogic() -> Any:
    """The logic of Slicer's PyTorch extension."""
    import PyTorchUtils

    return PyTorchUtils.PyTorchUtilsLogic()


def _installTorch(log: Log, torchLogic: Callable[[], Any]) -> None:
    try:
        logic = torchLogic()
    except ImportError:
        raise MissingPackages(
            "The extension 'PyTorch' is missing; install it in Slicer's Extensions Manager, "
            "restart Slicer and try again."
        ) from None
    log("info", "Installing PyTorch; this takes some minutes")
    version = ">=" + ".".join(str(number) for number in REQUIRED["torch"])
    _attempt(lambda: logic.installTorch(torchVersionRequirement=version), "PyTorch")


def _attempt(install: Callable[[], Any], what: str) -> None:
    try:
        install()
    except Exception as error:
        raise MissingPackages(
            f"{what} could not be installed ({error}); check the network connection and try again."
        ) from error


def _requirement(name: str) -> str:
    oldest = {**REQUIRED, **FOR_REPORTS}[name]
    return f"{name}>={'.'.join(str(number) for number in oldest)}"


def _installed(name: str, oldest: tuple[int, int]) -> bool:
    try:
        text = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    numbers = re.findall(r"\d+", text)[:2]
    return tuple(int(number) for number in numbers) >= oldest
