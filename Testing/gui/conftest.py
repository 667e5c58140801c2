"""A fresh application for each test, and a panel on it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import host
import pytest
import slicer
from panel_driver import MODULE, Panel
from scripted_logic import ScriptedLogic

host.install()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[host.Session]:
    """The application; a test fails on what slots and observers raised."""
    errors: list[str] = []
    monkeypatch.setattr(
        sys, "excepthook", lambda kind, value, trace: errors.append(f"{kind.__name__}: {value}")
    )
    session = host.Session(tmp_path / "settings")
    for name in ("mrmlScene", "modules", "app"):
        monkeypatch.setattr(slicer, name, getattr(session, name), raising=False)
    yield session
    slicer.app.processEvents()
    assert errors == []


@pytest.fixture
def openModule(session: host.Session) -> Iterator[Callable[[], Panel]]:
    """Opens the module with its real logic; call it once."""
    from host.application import LoadedModule

    opened: list[Panel] = []

    def open_() -> Panel:
        opened.append(Panel(LoadedModule(MODULE)))
        return opened[-1]

    yield open_
    for panel in opened:
        panel.widget.cleanup()
        panel.frame.hide()
        panel.frame.deleteLater()


@pytest.fixture
def panel(
    session: host.Session, openModule: Callable[[], Panel], monkeypatch: pytest.MonkeyPatch
) -> Panel:
    """The panel with a logic that plays a script."""
    import JSSRRegistrationLib.logic as library

    monkeypatch.setattr(library, "JSSRRegistrationLogic", ScriptedLogic)
    return openModule()


@pytest.fixture
def addVolume(session: host.Session) -> Callable[..., Any]:
    """Adds an empty volume with a name."""

    def add(name: str, node_class: str = "vtkMRMLScalarVolumeNode") -> Any:
        return slicer.mrmlScene.AddNewNodeByClass(node_class, name)

    return add


@pytest.fixture
def phases(panel: Panel, addVolume: Callable[..., Any]) -> dict[str, Any]:
    """Three phases in the scene, the portal-venous one fixed and the arterial one ticked."""
    volumes = {n: addVolume(f"CT {n}") for n in ("arterial", "portal-venous", "delayed")}
    panel.widget.initializeParameterNode()
    panel.tick("CT arterial")
    return volumes
