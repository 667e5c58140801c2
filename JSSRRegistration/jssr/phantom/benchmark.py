"""How long each part of a patient and of a pair takes."""

import time
from collections.abc import Callable

import torch

from jssr.phantom.options import PairOptions
from jssr.phantom.pair import make_pair
from jssr.phantom.patient import make_patient


class Stopwatch:
    """Adds up the time between calls under the name of the part that ended."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """Book the time since the last call to ``part``."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now


def time_phantom(
    shape_zyx: tuple[int, int, int], spacing_mm: float, device: torch.device, repeats: int = 3
) -> dict[str, dict[str, float]]:
    """Seconds of every part, for a new ``patient`` and for another ``pair`` of it.

    Means over ``repeats`` runs after one that warms up.
    """
    options = PairOptions()
    patient = make_patient(0, shape_zyx, spacing_mm, device=device)
    make_pair(patient, 0, options=options)

    def average(run: Callable[[int, Stopwatch], object]) -> dict[str, float]:
        watch = Stopwatch(device)
        for number in range(repeats):
            run(number + 1, watch)
        return {part: seconds / repeats for part, seconds in watch.seconds.items()}

    return {
        "patient": average(
            lambda seed, watch: make_patient(
                seed, shape_zyx, spacing_mm, device=device, on_part=watch.lap
            )
        ),
        "pair": average(
            lambda seed, watch: make_pair(patient, seed, options=options, on_part=watch.lap)
        ),
    }


def benchmark_table(times: dict[str, dict[str, float]]) -> str:
    """The times as plain text, slowest part first."""
    lines = []
    for title, parts in times.items():
        lines.append(f"{title:<28}{sum(parts.values()):8.3f} s")
        ordered = sorted(parts.items(), key=lambda part: -part[1])
        lines += [f"  {name:<26}{seconds:8.3f} s" for name, seconds in ordered]
    return "\n".join(lines)
