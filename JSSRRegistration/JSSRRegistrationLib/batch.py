"""What ``Scripts/batch.py`` does: a batch without a window, by the code of ``jssr batch``."""

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TextIO

import slicer

from jssr.batch.cases import Case, read_worklist
from jssr.batch.run import BatchListener, BatchSettings, run_batch
from jssr.batch.state import Outcome
from jssr.batch.summary import PAGE_NAME
from jssr.errors import JSSRError, counted
from jssr.labels import Phase
from jssr.phase_name import read_phase
from jssr.registration.result import Output, Refine, chosen_outputs
from jssr.service.client import worker_command
from jssr.service.runner import Runner
from JSSRRegistrationLib.batch_scene import saveCaseScene
from JSSRRegistrationLib.logic import JSSRRegistrationLogic
from JSSRRegistrationLib.packages import MissingPackages, missingPackages
from JSSRRegistrationLib.slicer_python import slicerPython

SUCCESS, SOME_FAILED, BAD_INPUT = 0, 1, 2


def main(arguments: Sequence[str], stream: TextIO | None = None) -> int:
    """Run a batch with command line arguments; returns the exit code, and never raises for input.

    Progress and errors go as plain lines to ``stream``, default: standard output.
    """
    stream = stream or sys.stdout
    try:
        options = _parser().parse_args([text for text in arguments if text != "--"])
    except SystemExit as end:
        return BAD_INPUT if end.code else SUCCESS
    try:
        return _run(options, stream)
    except JSSRError as error:
        _tell(stream, str(error))
        return BAD_INPUT


def _run(options: argparse.Namespace, stream: TextIO) -> int:
    outputs = chosen_outputs(options.outputs)
    _requirePackages(options.install, outputs, stream)
    worklist = read_worklist(options.input, options.fixed_phase)
    if remark := worklist.remark():
        _tell(stream, remark)
    settings = BatchSettings(
        options.model,
        options.device,
        Refine(options.refine),
        outputs,
        options.seed,
    )
    listener = _Listener(stream, options.scene)
    runner = Runner(worker_command(slicerPython()))
    outcomes = run_batch(
        worklist.cases,
        options.output,
        settings,
        runner,
        BatchListener(listener.progress, listener.finished, listener.log),
        worklist.unusable,
    )
    failed = sum(not outcome.done for outcome in outcomes.values()) + listener.lostScenes
    _tell(
        stream,
        f"{counted(len(outcomes), 'case')}, {failed} failed; see {options.output / PAGE_NAME}",
    )
    return SOME_FAILED if failed else SUCCESS


class _Listener:
    """Writes a line for each step and saves the scenes."""

    def __init__(self, stream: TextIO, scenes: bool) -> None:
        self._stream = stream
        self._scenes = scenes
        self._last = ("", "")
        self.lostScenes = 0

    def progress(self, case: Case, step: str, fraction: float) -> None:
        if (case.name, step) != self._last:
            self._last = (case.name, step)
            _tell(self._stream, f"{100 * fraction:3.0f} %  {case.name}: {step}")

    def finished(self, case: Case, outcome: Outcome, folder: Path) -> None:
        if not outcome.done:
            _tell(self._stream, f"{case.name}: failed. {outcome.message}")
            return
        _tell(self._stream, f"{case.name}: {outcome.summary['verdict']['level']}")
        if self._scenes:
            try:
                saveCaseScene(slicer.mrmlScene, case, outcome, folder)
            except JSSRError as error:
                self.lostScenes += 1
                _tell(self._stream, f"{case.name}: {error}")

    def log(self, level: str, message: str) -> None:
        if level != "info":
            _tell(self._stream, message)


def _requirePackages(install: bool, outputs: Collection[Output], stream: TextIO) -> None:
    if install:
        JSSRRegistrationLogic().installPackages(lambda level, message: _tell(stream, message))
    missing = missingPackages(Output.REPORT in outputs)
    if missing:
        raise MissingPackages(
            f"{', '.join(missing)} must be installed first; add --install to do so."
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="Slicer --no-main-window --python-script batch.py --",
        description="Register the contrast phases of every patient of a table or a folder.",
    )
    add = parser.add_argument
    add("--input", type=Path, required=True, help="CSV table, or folder with a folder a patient")
    add("--output", type=Path, required=True, help="folder for the results; a stopped run goes on")
    add(
        "--fixed-phase",
        default=Phase.PORTAL_VENOUS,
        type=_phase,
        metavar="PHASE",
        help=", ".join(phase.value for phase in Phase),
    )
    add("--outputs", action="append", metavar="NAME,NAME", help="default: all of them")
    add("--refine", default=Refine.FAST.value, choices=[refine.value for refine in Refine])
    add("--model", type=Path, help="model bundle, a folder or a zip; default: the shipped one")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--seed", type=int, default=0)
    add("--scene", action="store_true", help="also save each case as a Slicer scene")
    add("--install", action="store_true", help="install missing Python packages first")
    return parser


def _phase(text: str) -> Phase:
    try:
        return read_phase(text)
    except JSSRError as error:
        raise argparse.ArgumentTypeError(f"{error}.") from None


def _tell(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()
