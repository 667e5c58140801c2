"""The logic on real nodes: what goes to the worker, what comes of answers and errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
from made_result import MadeUpRunner
from mrml_scene import add_linear, add_volume, oblique, rigid

from jssr.errors import Cancelled, InputError, JSSRError, ResourceError
from jssr.labels import Phase
from jssr.registration.result import Output, Refine
from jssr.service.runner import Runner, WorkerError
from JSSRRegistrationLib import logic as logic_module
from JSSRRegistrationLib import packages
from JSSRRegistrationLib.logic import Callbacks, JobState, JSSRRegistrationLogic, Settings
from JSSRRegistrationLib.outputs import SceneOutput


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    monkeypatch.setattr(logic_module, "_temporaryParent", lambda: folder)
    return folder


@pytest.fixture
def runner() -> MadeUpRunner:
    return MadeUpRunner()


@pytest.fixture
def logic(scene: Any, temporary: Path, runner: MadeUpRunner) -> JSSRRegistrationLogic:
    return JSSRRegistrationLogic(runner)  # type: ignore[arg-type]


@pytest.fixture
def third(scene: Any) -> Any:
    return add_volume(
        scene, "delayed", oblique((0, 5, 0), (2, 2, 3), (35, -40, -30)), (38, 36, 22), 5
    )


def test_a_waiting_call_gives_the_default_outputs(
    logic: JSSRRegistrationLogic, fixed: Any, moving: Any, temporary: Path
) -> None:
    result = logic.register(fixed, moving)
    assert set(result.nodes) == {  # type: ignore[union-attr]
        SceneOutput.TRANSFORM,
        SceneOutput.WARPED,
        SceneOutput.QUALITY_TABLE,
    }
    assert result.node("warped").GetName() == "arterial registered to portal"  # type: ignore[union-attr]
    assert result.summary["verdict"]["level"] == "doubtful"  # type: ignore[union-attr]
    assert not logic.isRunning()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"outputs": ["warpd"]}, "'outputs' does not know 'warpd'; choose among transform, "),
        ({"refine": "slow"}, "'refine' does not know 'slow'; choose among off, fast, full."),
    ],
)
def test_an_unknown_name_in_the_settings_is_told(setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Settings(**setting)


def test_the_job_says_what_was_asked_for(
    logic: JSSRRegistrationLogic,
    runner: MadeUpRunner,
    scene: Any,
    fixed: Any,
    moving: Any,
    tmp_path: Path,
) -> None:
    hint = add_linear(scene, "hint", rigid((0, 0, 10), (3, 2, 1)))
    report = tmp_path / "report.html"
    logic.register(
        fixed,
        moving,
        settings=Settings(
            outputs=["transform", "intensity_table"],
            model=tmp_path / "model",
            device="cpu",
            refine="full",
            seed=7,
        ),
        fixedPhase=Phase.DELAYED,
        initialTransform=hint,
        reportPath=report,
    )
    (job,) = runner.jobs
    assert job.outputs == {Output.TRANSFORM, Output.METRICS, Output.REPORT}
    assert (job.model, job.device, job.seed) == (tmp_path / "model", "cpu", 7)
    assert job.refine is Refine.FULL
    assert (job.fixed_phase, job.moving_phase) == (Phase.DELAYED, None)
    assert isinstance(job.initial, tuple)
    assert job.initial[3] == pytest.approx(np.linalg.inv(flip(rigid((0, 0, 10), (3, 2, 1))))[0, 3])
    assert report.read_text("utf-8") == "<html></html>"


def flip(matrix: np.ndarray) -> np.ndarray:
    signs = np.diag([-1.0, -1, 1, 1])
    return signs @ matrix @ signs


def test_a_mask_travels_with_its_scan(
    logic: JSSRRegistrationLogic, runner: MadeUpRunner, scene: Any, fixed: Any, moving: Any
) -> None:
    mask = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "body")
    marked = np.zeros(slicer.util.arrayFromVolume(fixed).shape, np.uint8)
    marked[3:9] = 4
    slicer.util.updateVolumeFromArray(mask, marked)
    mask.CopyOrientation(fixed)
    seen = []
    runner.before_answer = lambda: seen.append(sitk.ReadImage(str(runner.jobs[0].fixed_mask)))
    logic.register(fixed, moving, fixedMask=mask)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(seen[0]), marked > 0)
    assert runner.jobs[0].moving_mask is None


def test_outputs_go_into_given_nodes_also_unasked(
    logic: JSSRRegistrationLogic, scene: Any, fixed: Any, moving: Any
) -> None:
    mine = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    result = logic.register(
        fixed,
        moving,
        settings=Settings(outputs=[SceneOutput.TRANSFORM]),
        outputNodes={SceneOutput.WARPED: mine},
    )
    assert result.node("warped") is mine  # type: ignore[union-attr]
    assert mine.GetName() == "mine"


def test_inputs_are_never_overwritten(
    logic: JSSRRegistrationLogic, scene: Any, fixed: Any, moving: Any
) -> None:
    with pytest.raises(InputError, match="'portal' is an input"):
        logic.register(fixed, moving, outputNodes={SceneOutput.WARPED: fixed})
    wrong = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "wrong")
    with pytest.raises(InputError, match="vtkMRMLTransformNode"):
        logic.register(fixed, moving, outputNodes={SceneOutput.TRANSFORM: wrong})


def test_a_series_shares_the_fixed_segmentation_and_one_table(
    logic: JSSRRegistrationLogic, runner: MadeUpRunner, fixed: Any, moving: Any, third: Any
) -> None:
    steps: list[tuple[str, float]] = []
    outputs = [SceneOutput.FIXED_SEGMENTATION, SceneOutput.INTENSITY_TABLE, SceneOutput.TRANSFORM]
    jobs = logic.registerSeries(
        fixed,
        [moving, third],
        settings=Settings(outputs=outputs),
        movingPhases=[Phase.ARTERIAL, Phase.DELAYED],
        callbacks=Callbacks(progress=lambda step, fraction: steps.append((step, fraction))),
    )
    assert [job.state for job in jobs] == [JobState.FINISHED] * 2
    assert Output.FIXED_SEGMENTATION in runner.jobs[0].outputs
    assert Output.FIXED_SEGMENTATION not in runner.jobs[1].outputs
    first, second = (job.result for job in jobs)
    assert first is not None and second is not None
    assert first.node("fixed_segmentation") is second.node("fixed_segmentation")
    assert first.node("transform") is not second.node("transform")
    table = second.node("intensity_table").GetTable()
    names = [table.GetColumnName(i) for i in range(table.GetNumberOfColumns())]
    assert names[3::2] == ["arterial (arterial) mean HU", "delayed (delayed) mean HU"]
    assert ("delayed: Register", 0.75) in steps


def test_one_that_fails_does_not_stop_the_others(
    logic: JSSRRegistrationLogic, runner: MadeUpRunner, fixed: Any, moving: Any, third: Any
) -> None:
    runner.fail = {0: WorkerError("The worker ended.", "traceback")}
    lines: list[tuple[str, str]] = []
    jobs = logic.registerSeries(
        fixed,
        [moving, third],
        settings=Settings(outputs=[SceneOutput.FIXED_SEGMENTATION]),
        callbacks=Callbacks(log=lambda level, text: lines.append((level, text))),
    )
    assert [job.state for job in jobs] == [JobState.FAILED, JobState.FINISHED]
    assert jobs[1].result is not None
    assert jobs[1].result.node("fixed_segmentation").GetSegmentation().GetNumberOfSegments() == 3
    assert ("error", "traceback") in lines


def test_a_result_that_cannot_be_shown_does_not_stop_the_others(
    logic: JSSRRegistrationLogic, fixed: Any, moving: Any, third: Any, temporary: Path
) -> None:
    def broken(job: Any) -> None:
        raise AttributeError("no display")

    lines: list[str] = []
    jobs = logic.registerSeries(
        fixed,
        [moving, third],
        callbacks=Callbacks(jobFinished=broken, log=lambda level, text: lines.append(text)),
    )
    assert [job.state for job in jobs] == [JobState.FINISHED] * 2
    assert sum("no display" in line for line in lines) == 2
    assert not logic.isRunning() and list(temporary.iterdir()) == []


def test_an_output_that_was_deleted_meanwhile_is_made_anew(
    logic: JSSRRegistrationLogic, scene: Any, fixed: Any, moving: Any
) -> None:
    chosen = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "chosen")
    job = logic.register(
        fixed, moving, outputNodes={SceneOutput.WARPED: chosen}, waitForCompletion=False
    )
    scene.RemoveNode(chosen)
    logic.poll()
    assert job.state is JobState.FINISHED  # type: ignore[union-attr]
    warped = job.result.node("warped")  # type: ignore[union-attr]
    assert warped is not chosen and warped.GetScene() is scene


def test_outputs_that_would_harm_each_other_or_an_input_are_refused(
    logic: JSSRRegistrationLogic, scene: Any, fixed: Any, moving: Any
) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode", "mine")
    both = {SceneOutput.TRANSFORM: node, SceneOutput.INVERSE_TRANSFORM: node}
    with pytest.raises(InputError, match="'mine' is chosen for two outputs"):
        logic.register(fixed, moving, outputNodes=both)
    moving.SetAndObserveTransformNodeID(node.GetID())
    with pytest.raises(InputError, match="'mine' moves an input"):
        logic.register(fixed, moving, outputNodes={SceneOutput.TRANSFORM: node})


def test_a_temporary_folder_that_cannot_be_made_is_told(
    logic: JSSRRegistrationLogic, fixed: Any, moving: Any, temporary: Path
) -> None:
    temporary.write_text("a file")
    with pytest.raises(ResourceError, match="temporary folder"):
        logic.register(fixed, moving)
    assert not logic.isRunning()


def test_errors_name_the_node_and_not_the_temporary_file(
    logic: JSSRRegistrationLogic, runner: MadeUpRunner, fixed: Any, moving: Any, temporary: Path
) -> None:
    def fail() -> None:
        runner.fail = {0: InputError(f"'{runner.jobs[0].moving}' is a localizer; choose another.")}

    runner.before_answer = fail
    with pytest.raises(InputError, match="^'arterial' is a localizer; choose another.$"):
        logic.register(fixed, moving)
    assert list(temporary.iterdir()) == []


def test_without_waiting_the_answer_comes_by_polling(
    logic: JSSRRegistrationLogic, fixed: Any, moving: Any
) -> None:
    ended: list[Any] = []
    job = logic.register(
        fixed,
        moving,
        callbacks=Callbacks(jobFinished=ended.append, finished=ended.append),
        waitForCompletion=False,
    )
    assert logic.isRunning()
    assert job.state is JobState.RUNNING  # type: ignore[union-attr]
    assert logic.reasonNotReady(fixed, [moving]) == "A registration is running."
    with pytest.raises(JSSRError, match="A registration is running"):
        logic.register(fixed, moving)
    logic.poll()
    assert ended == [job, [job]]
    assert job.state is JobState.FINISHED  # type: ignore[union-attr]
    assert not logic.isRunning()


def test_cancel_ends_all_jobs_and_leaves_no_file(
    logic: JSSRRegistrationLogic, fixed: Any, moving: Any, third: Any, temporary: Path
) -> None:
    ended: list[Any] = []
    jobs = logic.registerSeries(
        fixed, [moving, third], callbacks=Callbacks(finished=ended.append), waitForCompletion=False
    )
    logic.cancel()
    logic.poll()
    assert [job.state for job in jobs] == [JobState.CANCELLED] * 2
    assert all(isinstance(job.error, Cancelled) for job in jobs)
    assert ended == [jobs]
    assert list(temporary.iterdir()) == []


def test_a_closed_scene_gets_no_results(
    logic: JSSRRegistrationLogic, scene: Any, fixed: Any, moving: Any
) -> None:
    job = logic.register(fixed, moving, waitForCompletion=False)
    scene.Clear(0)
    logic.poll()
    assert job.state is JobState.FAILED  # type: ignore[union-attr]
    assert "no longer in the scene" in str(job.error)  # type: ignore[union-attr]
    assert scene.GetNumberOfNodesByClass("vtkMRMLTransformNode") == 0


def test_the_worker_ends_when_it_shall_not_be_kept(
    logic: JSSRRegistrationLogic, runner: MadeUpRunner, fixed: Any, moving: Any
) -> None:
    logic.register(fixed, moving)
    assert runner.closed == 0
    logic.register(fixed, moving, settings=Settings(keepWorker=False))
    assert runner.closed == 1


def test_reasons_come_before_the_work(
    logic: JSSRRegistrationLogic, scene: Any, fixed: Any, moving: Any
) -> None:
    assert logic.reasonNotReady(fixed, [moving]) is None
    assert "at least one" in str(logic.reasonNotReady(fixed, []))
    assert "both the fixed and a moving" in str(logic.reasonNotReady(fixed, [fixed]))
    assert "chosen twice" in str(logic.reasonNotReady(fixed, [moving, moving]))
    assert "scalar volume" in str(logic.reasonNotReady(None, [moving]))
    assert "its own mask" in str(logic.reasonNotReady(fixed, [moving], movingMask=moving))
    with pytest.raises(InputError, match="single moving volume"):
        logic.registerSeries(fixed, [moving, fixed], outputNodes={SceneOutput.WARPED: moving})


def test_missing_packages_are_named(
    logic: JSSRRegistrationLogic, fixed: Any, moving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(packages.REQUIRED, "torch", (99, 0))
    assert logic.missingPackages() == ["torch"]
    with pytest.raises(packages.MissingPackages, match=r"torch must be installed first"):
        logic.register(fixed, moving)


def test_the_worker_s_hello_is_known_after_starting_it(logic: JSSRRegistrationLogic) -> None:
    assert logic.worker is None
    logic.startWorker()
    assert logic.worker is not None and logic.worker["devices"][0]["name"] == "cpu"


def test_an_interrupted_wait_ends_the_worker(
    logic: JSSRRegistrationLogic,
    runner: MadeUpRunner,
    fixed: Any,
    moving: Any,
    temporary: Path,
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    runner.before_answer = interrupt
    with pytest.raises(KeyboardInterrupt):
        logic.register(fixed, moving)
    assert runner.closed == 1


def test_a_python_that_cannot_start_is_told(
    scene: Any, fixed: Any, moving: Any, temporary: Path
) -> None:
    logic = JSSRRegistrationLogic(Runner(["/nowhere/python"]))
    with pytest.raises(JSSRError, match="cannot be started"):
        logic.register(fixed, moving)
    assert list(temporary.iterdir()) == []
