"""Choose the compute device from what the user wrote."""

import torch

from jssr.errors import DeviceError


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``auto``, ``cpu``, ``cuda`` or ``cuda:n``; ``auto`` prefers a GPU.

    Raises:
        DeviceError: the name is unknown, or that GPU is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
    return device
