"""Makes the pictures of the tutorial: ``python Testing/gui/make_screenshots.py docs/images``.

A sample patient is made and registered with the real worker and the default model; the panel is
drawn by the Qt host and the slice views by Slicer's own slice logic, so the real application looks
the same but for its frame.
"""

import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "JSSRRegistration")]

import host  # noqa: E402

host.install()

import slicer  # noqa: E402
from host.application import LoadedModule  # noqa: E402
from panel_driver import MODULE, Panel  # noqa: E402
from PySide6 import QtGui  # noqa: E402
from slice_views import SliceViews  # noqa: E402

JOB_SECONDS = 1200.0
GAP = 6
BACKGROUND = "#2b2b33"
CENTER_RAS = (35.0, 10.0, 30.0)
VIEW_SIZES = {"Red": (846, 416), "Green": (420, 416), "Yellow": (420, 416)}


def main(folder: Path) -> None:
    """Write every picture into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as settings:
        session = host.Session(Path(settings))
        slicer.mrmlScene, slicer.modules, slicer.app = (
            session.mrmlScene,
            session.modules,
            session.app,
        )
        views = SliceViews(VIEW_SIZES)
        panel = Panel(LoadedModule(MODULE))
        try:
            draw(panel, views, folder)
        finally:
            panel.widget.cleanup()


def draw(panel: Panel, views: SliceViews, folder: Path) -> None:
    """The steps of the tutorial, in its order."""
    ui = panel.ui
    panel_picture(panel).save(str(folder / "1-empty.png"))
    ui.sampleButton.click()
    panel.tick(*[name for name in panel.movingNames() if "arterial" in name])
    for name in ("inverseTransform", "fixedSegmentation", "movingSegmentation", "difference"):
        getattr(ui, f"{name}CheckBox").click()
    panel_picture(panel).save(str(folder / "2-inputs.png"))
    ui.registerButton.click()
    running = panel.widget.jobPanel.isRunning
    panel.waitUntil(lambda: ui.progressBar.value > 400 or not running(), JOB_SECONDS)
    assert running(), ui.reasonLabel.text
    panel_picture(panel).save(str(folder / "3-running.png"))
    panel.waitUntil(lambda: not running(), JOB_SECONDS)
    assert panel.widget.resultPanel.results(), ui.reasonLabel.text
    for section in ("inputs", "model", "outputs"):
        getattr(ui, f"{section}CollapsibleButton").collapsed = True
    views.fit(CENTER_RAS)
    ui.beforeButton.click()
    window(panel, views).save(str(folder / "4-before.png"))
    ui.afterButton.click()
    window(panel, views).save(str(folder / "5-after.png"))
    ui.gridCheckBox.click()
    window(panel, views).save(str(folder / "6-grid.png"))
    ui.gridCheckBox.click()
    ui.advancedCollapsibleButton.collapsed = False
    panel.waitUntil(lambda: "GB" in ui.deviceComboBox.itemText(1), 60.0)
    panel_picture(panel).save(str(folder / "7-advanced.png"))


def panel_picture(panel: Panel) -> QtGui.QImage:
    """The panel alone."""
    panel.settle()
    return panel.frame.grab().toImage()


def window(panel: Panel, views: SliceViews) -> QtGui.QImage:
    """The panel with the slice views beside it, as Slicer shows them."""
    left = panel_picture(panel)
    pictures = {name: views.image(name) for name in VIEW_SIZES}
    width, height = pictures["Red"].width(), pictures["Red"].height()
    image = QtGui.QImage(
        left.width() + GAP + width,
        max(left.height(), 2 * height + GAP),
        QtGui.QImage.Format_RGB32,
    )
    image.fill(QtGui.QColor(BACKGROUND))
    painter = QtGui.QPainter(image)
    painter.drawImage(0, 0, left)
    x = left.width() + GAP
    places = {"Red": (x, 0), "Green": (x, height + GAP)}
    places["Yellow"] = (x + pictures["Green"].width() + GAP, height + GAP)
    for name, (left_edge, top) in places.items():
        painter.drawImage(left_edge, top, pictures[name])
    painter.end()
    return image


if __name__ == "__main__":
    main(Path(sys.argv[1]))
