"""Verification: what is altered, cut short or missing is refused in one sentence."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from jssr.bundle.manifest import REQUIRED_FILES, FileEntry, Manifest
from jssr.bundle.verify import verified_content, verify_bundle
from jssr.errors import BundleError
from sample_scans import forbidden

ALL_FILES = (*REQUIRED_FILES, "model.json", "model.json.sha256")


def _torchscript() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def _write_bundle(folder: Path, contents: dict[str, bytes], **fields: Any) -> Path:
    """A bundle around ``contents``, its hashes right."""
    entries = {
        name: FileEntry(len(content), hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }
    values: dict[str, Any] = {
        "name": "tiny",
        "version": "1",
        "date": "2026-05-31",
        "license": "Apache-2.0",
        "intended_use": "Tests.",
        "limits": "All.",
        "window_hu": (-200.0, 300.0),
        "spacing_mm": 3.0,
        "size_divisor": 16,
        "interfaces": {},
        "architecture": {},
        "figures": (),
        "files": entries,
    }
    text = Manifest(**{**values, **fields}).to_json().encode()
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "model.json").write_bytes(text)
    _hash_manifest(folder)
    return folder


def _hash_manifest(folder: Path) -> None:
    digest = hashlib.sha256((folder / "model.json").read_bytes()).hexdigest()
    (folder / "model.json.sha256").write_text(f"{digest}  model.json\n")


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    script = _torchscript()
    return {name: script if name.endswith(".pt") else b"weights" for name in REQUIRED_FILES}


@pytest.fixture
def bundle(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    return _write_bundle(tmp_path / "tiny", contents)


def _zip(bundle: Path, inside: str) -> Path:
    path = bundle.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(bundle.iterdir()):
            archive.write(file, inside + file.name)
    return path


def _flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _one_sentence(error: BundleError) -> bool:
    text = str(error)
    return text.endswith(".") and ". " not in text and "\n" not in text


def test_good_folder_passes(bundle: Path) -> None:
    assert verify_bundle(bundle).name == "tiny"


@pytest.mark.parametrize("inside", ["", "tiny/", "models/tiny/"])
def test_good_zip_passes_with_or_without_a_folder_in_it(bundle: Path, inside: str) -> None:
    assert verify_bundle(_zip(bundle, inside)) == verify_bundle(bundle)


def test_digest_is_the_hash_of_the_manifest(bundle: Path) -> None:
    expected = hashlib.sha256((bundle / "model.json").read_bytes()).hexdigest()
    assert verified_content(bundle).digest == expected


def test_files_that_the_manifest_does_not_list_are_not_read(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("mine")
    assert "notes.txt" not in verified_content(bundle).files


@pytest.mark.parametrize("name", ALL_FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_one_altered_byte_is_refused(bundle: Path, name: str, packed: bool) -> None:
    _flip_byte(bundle / name)
    path = _zip(bundle, "") if packed else bundle
    with pytest.raises(BundleError, match="was altered or damaged") as caught:
        verify_bundle(path)
    assert _one_sentence(caught.value)


@pytest.mark.parametrize("name", ALL_FILES)
def test_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"it has no {name};") as caught:
        verify_bundle(bundle)
    assert _one_sentence(caught.value)


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_file_cut_short_is_named(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:-1])
    with pytest.raises(BundleError, match=f"{name} is cut short") as caught:
        verify_bundle(bundle)
    assert _one_sentence(caught.value)


@pytest.mark.parametrize("name", ["model.json", "model.json.sha256"])
def test_manifest_or_hash_cut_short_is_refused(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[: len(content) // 3])
    with pytest.raises(BundleError, match="model.json does not have the SHA-256"):
        verify_bundle(bundle)


def test_newer_schema_with_right_hashes_is_refused(bundle: Path) -> None:
    values = json.loads((bundle / "model.json").read_text("utf-8"))
    values["schema_version"] = 2
    (bundle / "model.json").write_text(json.dumps(values))
    _hash_manifest(bundle)
    with pytest.raises(BundleError, match="update JSSR"):
        verify_bundle(bundle)


@pytest.mark.parametrize("content", [b"no archive", b"", None])
def test_no_torchscript_is_refused(
    tmp_path: Path, contents: dict[str, bytes], content: bytes | None
) -> None:
    if content is None:
        buffer = io.BytesIO()
        torch.save({"weights": torch.zeros(3)}, buffer)
        content = buffer.getvalue()
    folder = _write_bundle(tmp_path / "tiny", {**contents, "register.pt": content})
    with pytest.raises(BundleError, match="register.pt is no TorchScript") as caught:
        verify_bundle(folder)
    assert _one_sentence(caught.value)


def test_hashes_are_checked_before_torchscript_is_read(
    tmp_path: Path, contents: dict[str, bytes]
) -> None:
    folder = _write_bundle(tmp_path / "tiny", {**contents, "generator.pt": b"no archive"})
    _flip_byte(folder / "training.yaml")
    with pytest.raises(BundleError, match="training.yaml does not have the SHA-256"):
        verify_bundle(folder)


def _nothing(path: Path) -> None:
    pass


def _text_file(path: Path) -> None:
    path.write_text("a text", encoding="utf-8")


def _empty_folder(path: Path) -> None:
    path.mkdir()


def _empty_zip(path: Path) -> None:
    zipfile.ZipFile(path, "w").close()


def _two_models(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one/model.json", "{}")
        archive.writestr("two/model.json", "{}")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_nothing, "There is no model bundle"),
        (_text_file, "neither a folder nor a readable zip"),
        (_empty_folder, "is no model bundle: it has no model.json;"),
        (_empty_zip, "is no model bundle: it has no model.json;"),
        (_two_models, "is no model bundle: it has no model.json;"),
    ],
)
def test_what_is_no_bundle_is_refused(
    tmp_path: Path, make: Callable[[Path], None], sentence: str
) -> None:
    path = tmp_path / "model"
    make(path)
    with pytest.raises(BundleError, match=sentence):
        verify_bundle(path)


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
def test_zip_cut_short_is_refused(bundle: Path, kept: float) -> None:
    path = _zip(bundle, "")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(BundleError, match="neither a folder nor a readable zip"):
        verify_bundle(path)


@pytest.mark.parametrize(
    ("packed", "call"),
    [
        *((False, call) for call in ("exists", "is_dir", "is_file", "read_bytes")),
        *((True, call) for call in ("exists", "is_dir", "read_bytes")),
    ],
)
def test_a_bundle_that_must_not_be_read_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, packed: bool, call: str
) -> None:
    path = _zip(bundle, "") if packed else bundle
    monkeypatch.setattr(Path, call, forbidden)
    with pytest.raises(BundleError, match=r"cannot be read \(Permission denied\)") as caught:
        verify_bundle(path)
    assert _one_sentence(caught.value)


def test_damaged_zip_is_refused(bundle: Path) -> None:
    path = _zip(bundle, "")
    intact = path.read_bytes()
    table_of_contents = intact.index(b"PK\x01\x02")
    for position in (
        *range(0, table_of_contents, 97),
        *range(table_of_contents, len(intact)),
    ):
        damaged = bytearray(intact)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            manifest = verify_bundle(path)
        except BundleError as error:
            assert _one_sentence(error)
        else:
            # The byte was a time stamp or the like: what was read is still what was written.
            assert manifest == verify_bundle(bundle)


def test_verifying_needs_no_torch(bundle: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from jssr.bundle.verify import verify_bundle; "
        "verify_bundle(Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    package = Path(__file__).parents[2] / "JSSRRegistration"
    subprocess.run([sys.executable, "-c", program, str(bundle)], check=True, cwd=package)
