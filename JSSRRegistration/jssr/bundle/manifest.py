"""The bundle's manifest: ``model.json`` as a value, written and validated by hand.

The manifest is read where only torch, numpy and SimpleITK are at hand, so no schema library helps.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from jssr.bundle.card import Card, Figure
from jssr.errors import BundleError
from jssr.labels import BACKGROUND, LABELS, Phase

SCHEMA_VERSION = 1
MANIFEST_NAME = "model.json"
MANIFEST_HASH_NAME = "model.json.sha256"
WEIGHTS_NAME = "weights.safetensors"
TRAINING_NAME = "training.yaml"
SCRIPTED_NETWORKS = ("generator", "register", "segmentor")

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def script_name(network: str) -> str:
    """File name of a network's TorchScript in the bundle."""
    return f"{network}.pt"


REQUIRED_FILES = (*map(script_name, SCRIPTED_NETWORKS), WEIGHTS_NAME, TRAINING_NAME)


@dataclass(frozen=True)
class FileEntry:
    """Size and SHA-256 of one file of the bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Port:
    """One input or output of a network: its name, its shape and what it holds."""

    name: str
    shape: str
    meaning: str


@dataclass(frozen=True)
class Interface:
    """What one network takes and gives."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest(Card):
    """The card plus what the export adds.

    Attributes:
        interfaces: inputs and outputs of each network by the network's name.
        architecture: kind and sizes of the networks, as ``NetworksConfig.to_dict()`` gives them.
        figures: what was measured, and on what.
        files: every file of the bundle but the manifest and its hash.
    """

    interfaces: Mapping[str, Interface]
    architecture: Mapping[str, Any]
    figures: tuple[Figure, ...]
    files: Mapping[str, FileEntry]
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """The text of ``model.json``; equal manifests give equal text."""
        values = asdict(self)
        values["phases"] = [phase.value for phase in self.phases]
        values["labels"] = label_table()
        values["files"] = {name: asdict(self.files[name]) for name in sorted(self.files)}
        text = json.dumps(values, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False)
        return text + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> "Manifest":
        """The manifest in ``text``; ``source`` names the bundle in messages.

        Raises:
            BundleError: no JSON, a newer schema, a missing or wrong field, or labels that differ
                from this version's table.
        """
        fields = _Fields.parse(text, source)
        version = fields.whole("schema_version")
        if version > SCHEMA_VERSION:
            raise BundleError(
                f"The model bundle {source} has manifest schema {version}, but this JSSR reads up "
                f"to {SCHEMA_VERSION}; update JSSR."
            )
        if fields.value("labels") != label_table():
            fields.fail("labels", "must be this version's label table")
        manifest = cls(
            name=fields.text("name"),
            version=fields.text("version"),
            date=fields.text("date", _DATE),
            license=fields.text("license"),
            intended_use=fields.text("intended_use"),
            limits=fields.text("limits"),
            description=fields.text("description", may_be_empty=True),
            citation=fields.text("citation"),
            window_hu=fields.window("window_hu"),
            spacing_mm=fields.positive("spacing_mm"),
            size_divisor=fields.whole("size_divisor"),
            phases=fields.phases("phases"),
            interfaces=fields.interfaces("interfaces"),
            architecture=fields.mapping("architecture"),
            figures=fields.figures("figures"),
            files=fields.files("files"),
            schema_version=version,
        )
        absent = [name for name in REQUIRED_FILES if name not in manifest.files]
        if absent:
            fields.fail("files", f"must list {', '.join(absent)}")
        return manifest


def label_table() -> list[dict[str, Any]]:
    """The label table as the manifest holds it, background first."""
    rows: list[dict[str, Any]] = [{"index": BACKGROUND, "name": "background"}]
    for label in LABELS:
        row = asdict(label)
        row["color"] = list(label.color)
        rows.append(row)
    return rows


@dataclass(frozen=True)
class _Fields:
    """The fields of a manifest, each fetched with its check."""

    values: Mapping[str, Any]
    source: str

    @classmethod
    def parse(cls, text: str, source: str) -> "_Fields":
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise BundleError(
                f"The model bundle {source} is damaged: its {MANIFEST_NAME} is no JSON object; "
                "get the bundle again."
            )
        return cls(values, source)

    def fail(self, key: str, expectation: str) -> NoReturn:
        raise BundleError(
            f"The model bundle {self.source} cannot be used: '{key}' in its {MANIFEST_NAME} "
            f"{expectation}; export the bundle again."
        )

    def value(self, key: str) -> Any:
        if key not in self.values:
            self.fail(key, "is missing")
        return self.values[key]

    def text(
        self, key: str, pattern: re.Pattern[str] | None = None, may_be_empty: bool = False
    ) -> str:
        value = self.value(key)
        if not isinstance(value, str) or not (value or may_be_empty):
            self.fail(key, "must be a text")
        if pattern is not None and not pattern.fullmatch(value):
            self.fail(key, f"must be a text of the form {pattern.pattern}")
        return value

    def whole(self, key: str) -> int:
        value = self.value(key)
        if not _is_whole(value) or value < 1:
            self.fail(key, "must be a whole number above zero")
        return value

    def positive(self, key: str) -> float:
        value = self.value(key)
        if not _is_number(value) or value <= 0:
            self.fail(key, "must be a number above zero")
        return float(value)

    def window(self, key: str) -> tuple[float, float]:
        value = self.items(key)
        if len(value) != 2 or not all(map(_is_number, value)) or value[0] >= value[1]:
            self.fail(key, "must be two rising numbers in HU")
        return float(value[0]), float(value[1])

    def mapping(self, key: str) -> dict[str, Any]:
        value = self.value(key)
        if not isinstance(value, dict):
            self.fail(key, "must be an object")
        return value

    def items(self, key: str) -> list[Any]:
        value = self.value(key)
        if not isinstance(value, list):
            self.fail(key, "must be a list")
        return value

    def phases(self, key: str) -> tuple[Phase, ...]:
        try:
            return tuple(Phase(item) for item in self.items(key))
        except ValueError:
            self.fail(key, f"must be phases among {', '.join(phase.value for phase in Phase)}")

    def interfaces(self, key: str) -> dict[str, Interface]:
        try:
            return {
                network: Interface(
                    tuple(Port(**port) for port in ports["inputs"]),
                    tuple(Port(**port) for port in ports["outputs"]),
                )
                for network, ports in self.mapping(key).items()
            }
        except (TypeError, KeyError):
            self.fail(key, "must give name, shape and meaning of each network's inputs and outputs")

    def figures(self, key: str) -> tuple[Figure, ...]:
        try:
            figures = tuple(Figure(**item) for item in self.items(key))
        except TypeError:
            figures = None
        if figures is None or not all(_is_number(figure.value) for figure in figures):
            self.fail(key, "must give name, value, unit and measured_on of each figure")
        return figures

    def files(self, key: str) -> dict[str, FileEntry]:
        entries = {}
        for name, entry in self.mapping(key).items():
            # A plain name only: a path could lead out of the bundle.
            if not _FILE_NAME.fullmatch(name):
                self.fail(key, f"lists '{name}', which is no plain file name")
            if (
                not isinstance(entry, dict)
                or not _is_whole(entry.get("bytes"))
                or not _SHA256.fullmatch(str(entry.get("sha256")))
            ):
                self.fail(key, f"must give bytes and SHA-256 of {name}")
            entries[name] = FileEntry(entry["bytes"], entry["sha256"])
        return entries


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
