"""The module's self-test, to be run inside Slicer: logic, panel and batch on a phantom.

*Reload and Test* in developer mode, or ctest. It needs PyTorch and is skipped without it.
"""

import io
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from jssr.labels import Phase, label_index
from JSSRRegistrationLib import batch
from JSSRRegistrationLib.frames import LPS_TO_RAS
from JSSRRegistrationLib.logic import JSSRRegistrationLogic
from JSSRRegistrationLib.outputs import SceneOutput
from JSSRRegistrationLib.records import Settings

SEED = 7
SHAPE_ZYX, SPACING_MM = (80, 96, 112), 3.0
POINT_COUNT = 500
LARGEST_ERROR_MM = 4.0
"""Mean error in the liver that the default model must stay under on this phantom."""

_FLIP = LPS_TO_RAS.diagonal()[:3]


@dataclass(frozen=True)
class PhantomNodes:
    """A phantom in the scene; liver points of the fixed scan and their true partners, RAS mm."""

    fixed: Any
    moving: Any
    points: np.ndarray
    partners: np.ndarray

    def meanError(self, transformNode: Any) -> float:
        """Mean distance between where the node takes the points and where they belong, mm."""
        transform = transformNode.GetTransformFromParent()
        found = np.array([transform.TransformPoint(point) for point in self.points])
        return float(np.linalg.norm(found - self.partners, axis=1).mean())

    def meanMotion(self) -> float:
        """Mean distance between points and partners: the error of doing nothing, mm."""
        return float(np.linalg.norm(self.points - self.partners, axis=1).mean())


def addPhantom(seed: int = SEED) -> PhantomNodes:
    """Make a phantom in this process and load it: portal-venous fixed, arterial moving."""
    from jssr.phantom import PairOptions, PatientOptions, make_pair, make_patient

    patient = make_patient(
        seed, SHAPE_ZYX, SPACING_MM, options=PatientOptions(center_z_mm=30.0, lesions=3)
    )
    options = PairOptions(
        contrast="physiological",
        fixed_phase=Phase.PORTAL_VENOUS,
        moving_phase=Phase.ARTERIAL,
        artefacts=0.0,
    )
    pair = make_pair(patient, seed, options=options)
    inside = pair.fixed_truth & (pair.fixed_labels == label_index("liver"))
    voxels = np.argwhere(inside.numpy())
    voxels = voxels[np.random.default_rng(seed).choice(len(voxels), POINT_COUNT)]
    points = np.array(pair.origin_mm) + SPACING_MM * voxels[:, ::-1]
    motion = pair.fixed_to_moving_mm.numpy()[:, voxels[:, 0], voxels[:, 1], voxels[:, 2]].T
    return PhantomNodes(
        fixed=_addVolume("phantom portal-venous", pair.fixed_hu.numpy(), pair.origin_mm),
        moving=_addVolume("phantom arterial", pair.moving_hu.numpy(), pair.origin_mm),
        points=points * _FLIP,
        partners=(points + motion) * _FLIP,
    )


def _addVolume(name: str, hu: np.ndarray, origin_mm: tuple[float, float, float]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    ijkToRas = vtk.vtkMatrix4x4()
    for axis in range(3):
        ijkToRas.SetElement(axis, axis, _FLIP[axis] * SPACING_MM)
        ijkToRas.SetElement(axis, 3, _FLIP[axis] * origin_mm[axis])
    node.SetIJKToRASMatrix(ijkToRas)
    slicer.util.updateVolumeFromArray(node, np.rint(hu).astype(np.int16))
    return node


class JSSRRegistrationTest(ScriptedLoadableModuleTest):
    """Registers one phantom through the logic and the panel, and a table of them in batch."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()
        missing = JSSRRegistrationLogic().missingPackages()
        if missing:
            raise unittest.SkipTest(f"needs {', '.join(missing)}")

    def runTest(self) -> None:
        """All tests in turn, as *Reload and Test* runs them."""
        for test in (self.test_logic, self.test_panel, self.test_batch):
            try:
                self.setUp()
                test()
            except unittest.SkipTest as reason:
                self.delayDisplay(f"Skipped: {reason}")

    def test_logic(self) -> None:
        """The logic's transform brings the liver together, and its inverse leads back."""
        self.delayDisplay("Register a phantom through the logic")
        phantom = addPhantom()
        logic = JSSRRegistrationLogic()
        try:
            result = logic.register(
                phantom.fixed, phantom.moving, settings=Settings(outputs=frozenset(SceneOutput))
            )
        finally:
            logic.close()
        self.assertEqual(set(result.nodes), set(SceneOutput))
        self._checkTransform(phantom, result.node(SceneOutput.TRANSFORM))
        inverse = result.node(SceneOutput.INVERSE_TRANSFORM).GetTransformFromParent()
        forward = result.node(SceneOutput.TRANSFORM).GetTransformFromParent()
        for point in phantom.points[:50]:
            back = inverse.TransformPoint(forward.TransformPoint(point))
            self.assertLess(np.linalg.norm(np.array(back) - point), 0.5)
        self.delayDisplay("The logic passed")

    def test_panel(self) -> None:
        """The panel registers while the application stays responsive."""
        self.delayDisplay("Register a phantom through the panel")
        phantom = addPhantom()
        widget = slicer.util.getModuleWidget("JSSRRegistration")
        widget.enter()
        widget.ui.fixedSelector.setCurrentNode(phantom.fixed)
        widget.setMovingVolumes([phantom.moving])
        self.assertTrue(widget.ui.registerButton.enabled, widget.ui.reasonLabel.text)
        widget.ui.registerButton.click()
        rounds = 0
        while widget.jobPanel.isRunning():
            slicer.app.processEvents()
            rounds += 1
        self.assertGreater(rounds, 10)
        results = widget.resultPanel.results()
        self.assertEqual(len(results), 1, widget.ui.reasonLabel.text)
        self._checkTransform(phantom, results[0].nodes[SceneOutput.TRANSFORM])
        self.assertIn("Dice", widget.ui.figuresLabel.text)
        self.delayDisplay("The panel passed")

    def _checkTransform(self, phantom: PhantomNodes, transformNode: Any) -> None:
        error, motion = phantom.meanError(transformNode), phantom.meanMotion()
        self.delayDisplay(f"Mean error in the liver {error:.2f} mm, before {motion:.2f} mm")
        self.assertLess(error, min(LARGEST_ERROR_MM, 0.6 * motion))

    def test_batch(self) -> None:
        """A batch does what it can, names what failed, and computes nothing twice."""
        self.delayDisplay("Register a table of phantoms in batch")
        phantom = addPhantom()
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            _writeScan(phantom.fixed, root / "portal.nrrd")
            _writeScan(phantom.moving, root / "arterial.nrrd")
            (root / "broken.nrrd").write_text("no image")
            rows = ["patient,image,phase"]
            for patient, moving in (("good", "arterial.nrrd"), ("bad", "broken.nrrd")):
                rows += [f"{patient},portal.nrrd,portal-venous", f"{patient},{moving},arterial"]
            (root / "table.csv").write_text("\n".join(rows))
            first, said = _runBatch(root)
            self.assertEqual(first, batch.SOME_FAILED, said)
            self.assertIn("bad", said)
            (made,) = (root / "output").rglob("transform.h5")
            written = made.stat().st_mtime_ns
            second, said = _runBatch(root)
            self.assertEqual(second, batch.SOME_FAILED, said)
            self.assertEqual(made.stat().st_mtime_ns, written)
        self.delayDisplay("The batch passed")


def _writeScan(node: Any, path: Path) -> None:
    image = sitk.GetImageFromArray(slicer.util.arrayFromVolume(node))
    image.SetSpacing(node.GetSpacing())
    image.SetOrigin((_FLIP * node.GetOrigin()).tolist())
    sitk.WriteImage(image, str(path))


def _runBatch(root: Path) -> tuple[int, str]:
    said = io.StringIO()
    arguments = ["--input", root / "table.csv", "--output", root / "output", "--refine", "off"]
    arguments += ["--outputs", "transform,metrics"]
    return batch.main([str(argument) for argument in arguments], said), said.getvalue()
