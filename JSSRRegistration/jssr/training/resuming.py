"""A run goes on only with the settings that it began with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jssr.errors import InputError
from jssr.training.config import TrainingConfig
from jssr.training.run_files import SETTINGS_NAME
from jssr.training.settings import load_config

_MAY_DIFFER = {
    "output": True,
    "max_minutes": True,
    "tensorboard": True,
    "checkpoint": True,
    "hardware": True,
    "card": True,
    "validation": {"pictures": True},
}
"""Where a run is computed and kept and what it is called, none of which says what is learned."""
_MOST_SHOWN = 8
_SHORT = 40


def check_same_settings(run: Path, config: TrainingConfig) -> None:
    """Refuse to go on with the run in the folder ``run`` by another configuration than its own.

    The folder tells one configuration for all steps, and so does a bundle that is made of it.

    Raises:
        InputError: names the fields that differ, or the stored configuration cannot be read.
    """
    stored = run / SETTINGS_NAME
    if not stored.is_file():
        return
    told = list(_differences(_deciding(load_config(str(stored))), _deciding(config), ""))
    if not told:
        return
    more = [f"{len(told) - _MOST_SHOWN} more"] if len(told) > _MOST_SHOWN else []
    raise InputError(
        f"The run in '{run}' cannot go on with other settings; it was started with "
        f"{', '.join(told[:_MOST_SHOWN] + more)}: give these again, or its own '{stored}' as the "
        "configuration, or begin a new run in another folder, with --init-from for an exported "
        "model of this one."
    )


def _deciding(config: TrainingConfig) -> dict[str, Any]:
    values = config.model_dump(mode="json", exclude=_MAY_DIFFER)
    cohort = values["data"]["cohort"]
    for name in ("cache", "annotated_cache"):
        # A cache may have been moved, but one more or less teaches something else.
        cohort[name] = cohort[name] and "a cache"
    return values


def _differences(before: Any, now: Any, field: str) -> Iterator[str]:
    """The fields that differ, as overrides that restore them."""
    if before == now:
        return
    prefix = f"{field}." if field else ""
    if isinstance(before, dict) and isinstance(now, dict) and before.keys() == now.keys():
        for name in before:
            yield from _differences(before[name], now[name], f"{prefix}{name}")
    elif field == "stages" and len(before) == len(now):
        for number, stages in enumerate(zip(before, now, strict=True)):
            yield from _differences(*stages, f"{prefix}{number}")
    else:
        values = json.dumps(before), json.dumps(now)
        short = max(map(len, values)) <= _SHORT
        yield f"{field}={values[0]} (not {values[1]})" if short else f"another value of {field}"
