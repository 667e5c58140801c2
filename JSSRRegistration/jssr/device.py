"""Choose the compute device from what the user wrote."""

import logging

import torch

from jssr.errors import DeviceError
from jssr.memory import gpu_is_full

_LOGGER = logging.getLogger(__name__)


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``auto``, ``cpu``, ``cuda`` or ``cuda:n``; ``auto`` prefers a GPU.

    A GPU may be there and yet not compute: full, reserved by another program, or too old or too
    new for this build of PyTorch. ``auto`` then takes the CPU and logs a warning.

    Raises:
        DeviceError: the name is unknown, or that GPU is not there or cannot compute.
    """
    if name == "auto":
        return _gpu_or_cpu()
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise DeviceError(f"The device '{name}' is unknown; choose auto, cpu, cuda or cuda:n.")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise DeviceError(
                f"The device '{name}' was asked for, but this computer offers {count} usable "
                "NVIDIA GPUs; choose another device or 'cpu'."
            )
        # A full one may have room when the work begins, and if not, the CPU takes over.
        trouble = _trouble(device, None)
        if trouble is not None:
            raise DeviceError(
                f"The device '{name}' cannot compute ({trouble}); choose another device or 'cpu'."
            )
    return device


def _gpu_or_cpu() -> torch.device:
    if torch.cuda.is_available():
        trouble = _trouble(torch.device("cuda"), "its memory is full")
        if trouble is None:
            return torch.device("cuda")
        _LOGGER.warning("The GPU cannot compute (%s); the CPU does, which takes longer.", trouble)
    return torch.device("cpu")


def _trouble(device: torch.device, if_full: str | None) -> str | None:
    """What a small computation on the device runs into, in one line; ``None`` if it succeeds."""
    try:
        torch.ones(1, device=device).add(1).item()
    except RuntimeError as error:
        return if_full if gpu_is_full(error) else str(error).partition("\n")[0]
    return None
