"""Read a configuration: a shipped name or a YAML file, with ``key=value`` on top."""

import difflib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from jssr.errors import InputError
from jssr.training.config import TrainingConfig


def shipped_configurations() -> list[str]:
    """Names of the configurations that come with the package."""
    folder = resources.files("jssr.training") / "configs"
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def load_config(
    name_or_path: str,
    overrides: list[str] | tuple[str, ...] = (),
    fields: Mapping[str, Any] | None = None,
) -> TrainingConfig:
    """The validated configuration.

    Args:
        name_or_path: a shipped name, as ``smoke``, or a YAML file.
        overrides: ``key=value`` with dots into sections and numbers into lists, as
            ``stages.0.steps=50``; values are YAML.
        fields: values of top-level fields on top of both, taken as they are.

    Raises:
        InputError: no such configuration, bad YAML, or a field that is unknown or out of range;
            the message names each field.
    """
    values = _read(name_or_path)
    for override in overrides:
        _apply(values, override)
    return validated({**values, **(fields or {})}, name_or_path)


def validated(values: dict[str, Any], source: str) -> TrainingConfig:
    """``values`` as a configuration.

    Raises:
        InputError: names ``source`` and each bad field.
    """
    try:
        return TrainingConfig.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_fault(item) for item in error.errors())
        raise InputError(f"The configuration {source} is not valid: {faults}.") from error


def to_yaml(config: TrainingConfig) -> str:
    """The whole configuration, defaults included, as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _fault(item: Any) -> str:
    field = ".".join(str(part) for part in item["loc"]) or "configuration"
    return f"{field}: {item['msg'].removeprefix('Value error, ')}"


def _read(name_or_path: str) -> dict[str, Any]:
    shipped = shipped_configurations()
    if name_or_path in shipped:
        text = (resources.files("jssr.training") / "configs" / f"{name_or_path}.yaml").read_text(
            "utf-8"
        )
    else:
        path = Path(name_or_path)
        if not path.is_file():
            close = difflib.get_close_matches(name_or_path, shipped, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"shipped are {', '.join(shipped)}."
            raise InputError(f"There is no configuration or file '{name_or_path}'; {hint}")
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"The configuration {path} is no text in UTF-8.") from error
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"The configuration {name_or_path} is no YAML: {error}.") from error
    if not isinstance(values, dict):
        raise InputError(
            f"The configuration {name_or_path} holds no fields; give 'key: value' lines."
        )
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise InputError(f"'{override}' is no override; write key=value, as stages.0.steps=50.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"The value of '{override}' is no YAML: {error}.") from error
    *parents, last = key.split(".")
    target: Any = values
    for part in parents:
        target = _child(target, part, override)
    if isinstance(target, list):
        target[_position(target, last, override)] = value
    else:
        target[last] = value


def _child(target: Any, part: str, override: str) -> Any:
    child = (
        target[_position(target, part, override)]
        if isinstance(target, list)
        else target.setdefault(part, {})
    )
    if not isinstance(child, dict | list):
        raise InputError(f"'{override}' goes into '{part}', which is a single value.")
    return child


def _position(items: list[Any], part: str, override: str) -> int:
    if part not in map(str, range(len(items))):
        raise InputError(
            f"'{override}' names item '{part}' of a list that has {len(items)} items, "
            "counted from 0."
        )
    return int(part)
