"""Every name of Slicer that the module uses exists in Slicer.

Most are looked up in ``slicer-core``, the real classes and the real ``slicer.util``. The few that
only the application has are listed here, as read in the sources of Slicer 5.8 to 5.13.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

slicer = pytest.importorskip("slicer")

MODULE = Path(__file__).parents[2] / "JSSRRegistration"
FILES = sorted(
    [*MODULE.glob("*.py"), *MODULE.glob("JSSRRegistrationLib/*.py"), *MODULE.glob("Scripts/*.py")]
)

APPLICATION_ONLY: dict[str, set[str]] = {
    # Base/QTCore/qSlicerCoreApplication.h, and Qt's own QApplication
    "slicer.app": {"processEvents", "connect", "temporaryPath", "layoutManager"},
    "slicer.dicomDatabase": {"isOpen", "instanceValue"},
    "slicer.modules": {"terminologies"},
    # Base/Python/slicer/i18n.py
    "slicer.i18n": {"tr", "translate"},
    # Base/Python/slicer/parameterNodeWrapper
    "slicer.parameterNodeWrapper": {"parameterNodeWrapper", "WithinRange"},
    # Base/Python/slicer/ScriptedLoadableModule.py
    "slicer.ScriptedLoadableModule": {
        "ScriptedLoadableModule",
        "ScriptedLoadableModuleWidget",
        "ScriptedLoadableModuleLogic",
        "ScriptedLoadableModuleTest",
    },
}


def _dotted(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else None
    return None


def _used_names(path: Path) -> Iterator[str]:
    """Dotted names below ``slicer`` that a file imports or reads, longest form first."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = _dotted(node)
            if name and name.startswith("slicer."):
                yield name
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "slicer":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _dotted(node.func) == "getattr":
            owner = _dotted(node.args[0])
            if owner == "slicer" and isinstance(node.args[1], ast.Constant):
                yield f"slicer.{node.args[1].value}"


def _exists(name: str) -> bool:
    for owner, members in APPLICATION_ONLY.items():
        if name == owner:
            return True
        if name.startswith(owner + "."):
            return name.removeprefix(owner + ".").split(".")[0] in members
    if name.startswith("slicer.mrmlScene"):
        name = name.replace("slicer.mrmlScene", "slicer.vtkMRMLScene", 1)
    found = slicer
    for part in name.split(".")[1:]:
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_used_name_exists(path: Path) -> None:
    missing = sorted({name for name in _used_names(path) if not _exists(name)})
    assert not missing


def test_a_name_that_does_not_exist_is_found_out() -> None:
    assert _exists("slicer.util.arrayFromVolume")
    assert not _exists("slicer.util.arrayOfVolume")
    assert not _exists("slicer.vtkMRMLTransformNode.GetFixedRole")
    assert not _exists("slicer.app.makeCoffee")
