"""The module opens in a bare Slicer: no package of the worker, other modules not there yet."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
for name in ("torch", "h5py", "safetensors", "matplotlib", "typer", "rich", "pydantic", "scipy"):
    sys.modules[name] = None
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
import host
host.install()
import slicer
session = host.Session(Path(sys.argv[3]))
slicer.mrmlScene, slicer.modules, slicer.app = session.mrmlScene, session.modules, session.app
from host.application import LoadedModule
from panel_driver import MODULE, Panel
later = {n: c for n, c in vars(slicer).items() if "Module" in getattr(c, "__module__", "")}
assert "vtkSlicerSegmentationsModuleLogic" in later and "vtkMRMLSegmentationNode" not in later
for name in later:
    delattr(slicer, name)
module = LoadedModule(MODULE)
vars(slicer).update(later)
panel = Panel(module)
panel.logic.missingPackages = lambda: ["torch"]
panel.widget.enter()
panel.ui.advancedCollapsibleButton.collapsed = False
print(panel.ui.setupFrame.visible, panel.ui.registerButton.enabled, panel.ui.reasonLabel.text)
panel.widget.cleanup()
"""


def test_the_module_is_imported_before_others_and_offers_to_install(tmp_path: Path) -> None:
    gui = Path(__file__).parent
    module = gui.parents[1] / "JSSRRegistration"
    command = [sys.executable, "-c", SCRIPT, str(gui), str(module), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1].startswith("True False Install torch")
