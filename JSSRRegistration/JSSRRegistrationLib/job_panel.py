"""The running job in the panel: Register that becomes Cancel, progress, log, errors."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from jssr.errors import Cancelled, JSSRError
from JSSRRegistrationLib.records import Callbacks, JobState, RegistrationJob
from JSSRRegistrationLib.result_text import ERROR_COLORS, card

POLL_INTERVAL_MS = 100
PROGRESS_STEPS = 1000
WATCH_SECONDS = 120.0


class JobPanel:
    """Drives one logic from a timer, so that the application stays responsive.

    ``start(callbacks)`` begins the registration that the panel describes; ``jobFinished(job)``
    follows each moving volume that went well, ``finished()`` the end of the run.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        start: Callable[[Callbacks], None],
        jobFinished: Callable[[RegistrationJob], None],
        finished: Callable[[], None],
    ) -> None:
        self._ui = ui
        self._logic = logic
        self._start = start
        self._jobFinished = jobFinished
        self._finished = finished
        self._running = False
        self._message = ""
        self._watchUntil = 0.0
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_INTERVAL_MS)
        self._timer.connect("timeout()", self._onTimer)
        ui.registerButton.connect("clicked(bool)", self._onButton)
        ui.progressBar.visible = False
        self.setReason(None)

    def isRunning(self) -> bool:
        """Whether a registration runs or waits."""
        return self._running

    def watch(self) -> None:
        """Listen to a worker that was started ahead of time, until it tells its devices."""
        self._watchUntil = time.monotonic() + WATCH_SECONDS
        self._timer.start()

    def setReason(self, reason: str | None) -> None:
        """Say why Register cannot be pressed; ``None`` when it can."""
        if self._running:
            return
        ui = self._ui
        ui.registerButton.text = _("Register")
        ui.registerButton.enabled = reason is None
        ui.registerButton.toolTip = reason or _("Bring the moving volumes onto the fixed volume.")
        ui.reasonLabel.text = self._message or escape(reason or "")
        ui.reasonLabel.styleSheet = card(ERROR_COLORS) if self._message else ""
        ui.reasonLabel.visible = bool(ui.reasonLabel.text)

    def log(self, level: str, message: str) -> None:
        """Add a line to the log."""
        mark = "" if level == "info" else f"{level.upper()}: "
        self._ui.logText.appendPlainText(f"{time.strftime('%H:%M:%S')}  {mark}{message}")

    @contextmanager
    def waiting(self) -> Iterator[Callbacks]:
        """Show the progress of something that the user waits for, or why it failed."""

        def progress(step: str, fraction: float) -> None:
            self._onProgress(step, fraction)
            slicer.app.processEvents()

        self._message = ""
        self._ui.registerButton.enabled = False
        self._ui.sampleButton.enabled = False
        self._ui.progressBar.visible = True
        try:
            yield Callbacks(progress=progress, log=self.log)
        except JSSRError as error:
            self._fail(str(error))
        finally:
            self._ui.sampleButton.enabled = True
            self._ui.progressBar.visible = False

    def clearMessage(self) -> None:
        """Take an old error away once the user changed something."""
        self._message = ""

    def abandon(self) -> None:
        """End job and worker at once: the scene or the panel goes away."""
        self._timer.stop()
        self._logic.close()
        self._end()

    def _onButton(self) -> None:
        if self._running:
            self._ui.registerButton.enabled = False
            self._ui.registerButton.text = _("Cancelling…")
            self._logic.cancel()
            return
        self._message = ""
        self._begin()
        callbacks = Callbacks(self._onProgress, self.log, self._onJobFinished, self._onFinished)
        try:
            self._start(callbacks)
        except Exception as error:
            self._fail(str(error))
            self._end()
            self._finished()
            if not isinstance(error, JSSRError):
                raise  # Slicer's log shall have it

    def _begin(self) -> None:
        ui = self._ui
        self._running = True
        ui.registerButton.text = _("Cancel")
        ui.registerButton.enabled = True
        ui.registerButton.toolTip = _("End the registration; what has finished stays.")
        ui.reasonLabel.visible = False
        ui.progressBar.visible = True
        self._onProgress(_("Starting"), 0.0)
        self._timer.start()

    def _end(self) -> None:
        self._running = False
        self._ui.progressBar.visible = False
        self.setReason(None)

    def _onTimer(self) -> None:
        self._logic.poll()
        if self._running:
            return
        if self._logic.worker is not None or time.monotonic() > self._watchUntil:
            self._timer.stop()
            self._finished()

    def _onProgress(self, step: str, fraction: float) -> None:
        bar = self._ui.progressBar
        bar.value = round(PROGRESS_STEPS * fraction)
        # A percent sign opens a place holder in a progress bar's format.
        bar.format = step.replace("%", "%%") + "  –  %p%"

    def _onJobFinished(self, job: RegistrationJob) -> None:
        if job.state is JobState.FINISHED:
            self._jobFinished(job)
        elif not isinstance(job.error, Cancelled):
            self._fail(f"{job.movingVolume.GetName()}: {job.error}")

    def _onFinished(self, jobs: Sequence[RegistrationJob]) -> None:
        if any(job.state is JobState.CANCELLED for job in jobs):
            self.log("info", _("Cancelled."))
        self._timer.stop()
        self._end()
        self._finished()

    def _fail(self, sentence: str) -> None:
        self.log("error", sentence)
        text = escape(sentence)
        self._message = f"{self._message}<br>{text}" if self._message else text
