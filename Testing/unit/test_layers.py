"""The layers of the package: who may import whom, and what from outside."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "JSSRRegistration" / "jssr"

# From the lowest to the highest; modules of one layer may import each other.
LAYERS = (
    ("errors", "labels", "phase_name", "hounsfield", "device", "memory", "page", "section"),
    ("spatial",),
    ("io",),
    ("networks",),
    ("bundle",),
    ("registration",),
    ("phantom",),
    ("training",),
    ("evaluation",),
    ("report",),
    ("service", "worker"),
    ("batch",),
    ("info",),
    ("cli",),
)
INFERENCE = (
    "errors",
    "labels",
    "phase_name",
    "hounsfield",
    "device",
    "spatial",
    "io",
    "networks",
    "bundle",
    "registration",
)
INFERENCE_PACKAGES = {"torch", "numpy", "SimpleITK"}
EXTRAS = {"training": "train", "evaluation": "benchmark"}
IMPORT_NAMES = {
    "PyYAML": "yaml",
    "lightning-fabric": "lightning_fabric",
    "itk-elastix": "itk",
    "antspyx": "ants",
    "tensorboard": "torch.utils.tensorboard",
}


def _files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path, *, at_import_time: bool = False) -> Iterator[str]:
    """Dotted names that a file imports, anywhere or only when it is itself imported."""
    todo: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, (_parent(path, node.level), node.module)))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif at_import_time and (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            or (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
        ):
            continue
        todo.extend(ast.iter_child_nodes(node))


def _parent(path: Path, level: int) -> str:
    """The package that a relative import of that level starts from; empty for an absolute one."""
    return ".".join(path.relative_to(PACKAGE.parent).parts[:-level]) if level else ""


def _outside(names: Iterator[str]) -> set[str]:
    tops = {name.partition(".")[0] for name in names}
    return {name for name in tops if name != "jssr" and name not in sys.stdlib_module_names}


def _declared(extra: str | None) -> set[str]:
    """Import names of the dependencies that pyproject.toml declares, of the core or an extra."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    key = "dependencies" if extra is None else extra
    block = re.search(rf"^{key} = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    names = re.findall(r'^ +"([A-Za-z0-9-]+)', block[1], re.MULTILINE)
    return {IMPORT_NAMES.get(name, name) for name in names}


def test_every_module_has_a_layer() -> None:
    known = {name for layer in LAYERS for name in layer} | {"__init__"}
    assert {_layer(path) for path in _files()} <= known


def test_no_layer_imports_a_higher_one() -> None:
    rank = {name: number for number, names in enumerate(LAYERS) for name in names}
    upward = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in _files()
        for name in _imports(path)
        if name.startswith("jssr.") and rank.get(name.split(".")[1], 0) > rank.get(_layer(path), 0)
    ]
    assert not upward


def test_what_is_imported_from_outside_is_declared() -> None:
    undeclared = []
    for path in _files():
        allowed = _declared(None) | _declared(EXTRAS.get(_layer(path)))
        undeclared += [(str(path), name) for name in _outside(_imports(path)) - allowed]
    assert not undeclared


def test_all_but_training_starts_with_the_core_dependencies() -> None:
    unwanted = []
    for path in _files():
        if _layer(path) != "training":
            outside = _outside(_imports(path, at_import_time=True)) - _declared(None)
            unwanted += [(str(path), name) for name in outside]
    assert not unwanted


def test_inference_needs_only_what_slicer_has() -> None:
    unwanted = []
    for path in _files():
        if _layer(path) in (*INFERENCE, "service", "worker"):
            outside = _outside(_imports(path, at_import_time=True)) - INFERENCE_PACKAGES
            unwanted += [(str(path), name) for name in outside]
    assert not unwanted


def test_files_stay_short() -> None:
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in _files()}
    assert not {name: length for name, length in lengths.items() if length > 420}
