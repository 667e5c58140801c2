"""The manifest: round trip, and one clear sentence for every wrong field."""

import json
from typing import Any

import pytest

from jssr.bundle.card import Card, Figure
from jssr.bundle.manifest import (
    REQUIRED_FILES,
    SCHEMA_VERSION,
    FileEntry,
    Interface,
    Manifest,
    Port,
)
from jssr.errors import BundleError
from jssr.labels import LABELS, Phase


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        name="tiny",
        version="1",
        date="2026-05-31",
        license="Apache-2.0",
        intended_use="Tests.",
        limits="Everything else.",
        window_hu=(-200.0, 300.0),
        spacing_mm=3.0,
        size_divisor=16,
        phases=(Phase.ARTERIAL, Phase.DELAYED),
        interfaces={"segmentor": Interface((Port("image", "(b)", "x"),), ())},
        architecture={"segmentor": {"width": 8}},
        figures=(Figure("liver error", 1.5, "mm", "20 phantoms"),),
        files={name: FileEntry(3, "0" * 64) for name in REQUIRED_FILES},
    )


def _with(manifest: Manifest, **changes: Any) -> str:
    return json.dumps({**json.loads(manifest.to_json()), **changes})


def test_manifest_survives_a_round_trip(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json(), "tiny") == manifest


def test_a_manifest_is_a_card(manifest: Manifest) -> None:
    assert isinstance(manifest, Card)


def test_label_table_holds_names_colors_and_codes(manifest: Manifest) -> None:
    rows = json.loads(manifest.to_json())["labels"]
    assert rows[0] == {"index": 0, "name": "background"}
    assert [row["index"] for row in rows] == list(range(len(LABELS) + 1))
    kidney = next(row for row in rows if row["name"] == "right_kidney")
    assert kidney["code"] == {"value": "64033007", "meaning": "Kidney", "scheme": "SCT"}
    assert kidney["modifier"]["value"] == "24028007"
    assert len(kidney["color"]) == 3


def test_newer_schema_asks_for_an_update(manifest: Manifest) -> None:
    text = _with(manifest, schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(BundleError, match=r"manifest schema 2.*reads up to 1; update JSSR\."):
        Manifest.from_json(text, "tiny")


@pytest.mark.parametrize("text", ["", "no JSON", "[1, 2]", '{"name": '])
def test_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match="tiny is damaged: its model.json is no JSON object"):
        Manifest.from_json(text, "tiny")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema_version", "1"),
        ("schema_version", True),
        ("schema_version", 0),
        ("name", ""),
        ("name", 3),
        ("date", "May 2026"),
        ("window_hu", [300, -200]),
        ("window_hu", [50, 50]),
        ("window_hu", [-200]),
        ("window_hu", "wide"),
        ("spacing_mm", 0),
        ("spacing_mm", float("nan")),
        ("spacing_mm", float("inf")),
        ("size_divisor", 1.5),
        ("phases", ["late"]),
        ("phases", "arterial"),
        ("architecture", []),
        ("interfaces", {"generator": {"inputs": [{"name": "x"}], "outputs": []}}),
        ("interfaces", {"generator": []}),
        ("figures", [{"name": "x"}]),
        ("figures", [{"name": "x", "value": "good", "unit": "", "measured_on": ""}]),
        ("figures", ["x"]),
        ("labels", []),
        ("files", {}),
    ],
)
def test_wrong_field_is_named(manifest: Manifest, key: str, value: Any) -> None:
    with pytest.raises(BundleError, match=f"tiny cannot be used: '{key}' in its model.json"):
        Manifest.from_json(_with(manifest, **{key: value}), "tiny")


@pytest.mark.parametrize(
    ("name", "entry", "said"),
    [
        ("../more.pt", {"bytes": 1, "sha256": "0" * 64}, r"lists '\.\./more\.pt'"),
        ("/etc/passwd", {"bytes": 1, "sha256": "0" * 64}, "lists '/etc/passwd'"),
        ("a/../../more.pt", {"bytes": 1, "sha256": "0" * 64}, r"lists 'a/\.\./\.\./more\.pt'"),
        ("more.pt", {"bytes": 1, "sha256": "0"}, r"bytes and SHA-256 of more\.pt"),
        ("more.pt", {"bytes": 1, "sha256": "0" * 65}, r"bytes and SHA-256 of more\.pt"),
        ("more.pt", {"bytes": True, "sha256": "0" * 64}, r"bytes and SHA-256 of more\.pt"),
        ("more.pt", {"sha256": "0" * 64}, r"bytes and SHA-256 of more\.pt"),
        ("more.pt", None, r"bytes and SHA-256 of more\.pt"),
    ],
)
def test_one_wrong_file_beside_all_that_must_be_there_is_named(
    manifest: Manifest, name: str, entry: object, said: str
) -> None:
    files = json.loads(manifest.to_json())["files"]
    with pytest.raises(BundleError, match=said):
        Manifest.from_json(_with(manifest, files={**files, name: entry}), "tiny")


def test_missing_field_is_named(manifest: Manifest) -> None:
    for key in json.loads(manifest.to_json()):
        values = json.loads(manifest.to_json())
        del values[key]
        with pytest.raises(BundleError, match=f"'{key}' in its model.json is missing"):
            Manifest.from_json(json.dumps(values), "tiny")


def test_a_figure_that_is_no_number_is_not_written(manifest: Manifest) -> None:
    values = {**vars(manifest), "figures": (Figure("error", float("nan"), "mm", "nothing"),)}
    with pytest.raises(ValueError, match="not JSON compliant"):
        Manifest(**values).to_json()
