"""Drives the module's panel as a user would."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "JSSRRegistration" / "JSSRRegistration.py"
SCREENSHOTS = ROOT / "build" / "screenshots"
PANEL_WIDTH = 480


class Panel:
    """The module's panel in its window, as a user meets it."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.frame = module.widgetRepresentation()
        self.frame.enter()
        self.frame.show()
        self.settle()

    @property
    def widget(self) -> Any:
        return self.frame.self()

    @property
    def ui(self) -> Any:
        return self.widget.ui

    @property
    def logic(self) -> Any:
        return self.widget.logic

    @property
    def parameters(self) -> Any:
        return self.widget._parameterNode

    def settle(self) -> None:
        """Let queued events happen and the window take the height it needs."""
        slicer.app.processEvents()
        layout = self.frame.layout()
        layout.activate()
        self.frame.resize(PANEL_WIDTH, layout.totalHeightForWidth(PANEL_WIDTH))
        slicer.app.processEvents()

    def waitUntil(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Run the event loop until ``condition()`` holds; fails after ``seconds``."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            slicer.app.processEvents()
            time.sleep(0.01)

    def tick(self, *names: str) -> None:
        """Click the boxes of these moving volumes."""
        for _volume, box, _phase in self.widget.movingTable._rows:
            if box.text in names:
                box.click()
        slicer.app.processEvents()

    def movingNames(self) -> list[str]:
        return [row[1].text for row in self.widget.movingTable._rows]

    def screenshot(self, name: str) -> None:
        self.settle()
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        assert self.frame.grab().save(str(SCREENSHOTS / f"{name}.png"))

    def register(self, seconds: float = 60.0) -> None:
        """Press Register and wait for the end."""
        self.ui.registerButton.click()
        self.waitUntil(lambda: not self.widget.jobPanel.isRunning(), seconds)


def composites() -> list[Any]:
    """What the slice views show."""
    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
