"""Verify a bundle before anything in it is used."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from jssr.bundle.manifest import (
    MANIFEST_HASH_NAME,
    MANIFEST_NAME,
    SCRIPTED_NETWORKS,
    Manifest,
    script_name,
)
from jssr.bundle.source import ZIP_FAULTS, BundleSource, open_source
from jssr.errors import BundleError


@dataclass(frozen=True)
class BundleContent:
    """The files of a bundle in memory, their hashes checked; nothing was executed."""

    title: str
    manifest: Manifest
    digest: str
    files: dict[str, bytes]


def verify_bundle(path: Path | None = None) -> Manifest:
    """The manifest of the bundle at ``path`` (default: the shipped one), all its files checked.

    Nothing of the bundle is executed, and torch is not needed.

    Raises:
        BundleError: the bundle is missing, not complete, cut short, altered, of a newer schema, or
            holds no TorchScript; the message is one sentence.
    """
    return verified_content(path).manifest


def verified_content(path: Path | None = None) -> BundleContent:
    """The verified files of the bundle at ``path``; raises as :func:`verify_bundle`."""
    source = open_source(path)
    text = source.read(MANIFEST_NAME)
    digest = hashlib.sha256(text).hexdigest()
    written = source.read(MANIFEST_HASH_NAME).decode("ascii", "replace").split()
    if not written or written[0] != digest:
        raise BundleError(
            f"The model bundle {source.title} was altered or damaged: {MANIFEST_NAME} does not "
            f"have the SHA-256 that {MANIFEST_HASH_NAME} says; get the bundle again."
        )
    manifest = Manifest.from_json(text.decode("utf-8", "replace"), source.title)
    files = {name: _verified_file(source, manifest, name) for name in manifest.files}
    for network in SCRIPTED_NETWORKS:
        _check_torchscript(source.title, script_name(network), files[script_name(network)])
    return BundleContent(source.title, manifest, digest, files)


def _verified_file(source: BundleSource, manifest: Manifest, name: str) -> bytes:
    expected = manifest.files[name]
    content = source.read(name)
    if len(content) < expected.bytes:
        raise BundleError(
            f"The model bundle {source.title} is damaged: {name} is cut short ({len(content)} of "
            f"{expected.bytes} bytes); get the bundle again."
        )
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise BundleError(
            f"The model bundle {source.title} was altered or damaged: {name} does not have the "
            "SHA-256 that the manifest says; get the bundle again."
        )
    return content


def _check_torchscript(title: str, name: str, content: bytes) -> None:
    """Only the archive's table of contents is read; pickles and code stay untouched."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.namelist()
    except ZIP_FAULTS:
        members = []
    if not any(member.partition("/")[2].startswith("code/") for member in members):
        raise BundleError(
            f"The model bundle {title} cannot be used: {name} is no TorchScript; export the bundle "
            "again with 'jssr export'."
        )
