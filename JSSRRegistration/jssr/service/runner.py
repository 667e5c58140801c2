"""Sends jobs to a worker process one after the other, and starts a new worker when one is gone.

Nothing here blocks, except :meth:`Runner.wait` and, while a job runs, :meth:`Runner.close`: call
:meth:`Runner.poll` now and then, from a timer or a loop; it calls the listeners of the jobs in the
caller's own thread.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jssr import __version__
from jssr.errors import Cancelled, InputError, JSSRError, ResourceError
from jssr.service.client import WorkerProcess, worker_command, worker_environment
from jssr.service.protocol import PROTOCOL, Job, Message, job_message

_LOGGER = logging.getLogger(__name__)
_CANCEL_LIMIT_S = 1.4
_KILLED = (-9, 137)


class WorkerError(JSSRError):
    """The worker failed without the user's doing; ``details`` is what it printed."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


@dataclass(frozen=True)
class Listener:
    """What to call for one job; exactly one of ``finished`` and ``failed`` is called, once."""

    finished: Callable[[Message], None]
    failed: Callable[[JSSRError], None]
    progress: Callable[[str, float], None]
    log: Callable[[str, str], None]


class Runner:
    """A queue of jobs before one worker that is started when needed and kept.

    Args:
        command: the worker's command line; default: this Python.
        environment: the worker's variables; default: this process's, with ``jssr`` importable.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command or worker_command())
        self._environment = dict(environment or worker_environment())
        self._worker: WorkerProcess | None = None
        self._waiting: deque[tuple[Job, Listener]] = deque()
        self._active: tuple[Job, Listener] | None = None
        self._cancel_deadline: float | None = None
        self.hello: Message | None = None
        self.problem: JSSRError | None = None
        """Why the last worker could not start, for a caller that started it without a job."""

    def submit(self, job: Job, listener: Listener) -> None:
        """Queue a job."""
        self._waiting.append((job, listener))
        self._send_next()

    def start(self) -> None:
        """Start the worker now, so that it loads its packages and says hello."""
        if self._worker is None:
            self.hello = self.problem = None
            self._worker = WorkerProcess(self._command, self._environment)

    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return self._active is not None or bool(self._waiting)

    def poll(self) -> None:
        """Handle what the worker has said since the last call."""
        while self._worker is not None:
            message = self._worker.wait(0)
            if message is None:
                break
            self._handle(message)
        self._enforce_cancel()

    def wait(self, timeout_s: float) -> None:
        """Like :meth:`poll`, but let up to ``timeout_s`` pass for a first message to come."""
        if self._worker is not None:
            message = self._worker.wait(timeout_s)
            if message is not None:
                self._handle(message)
        self.poll()

    def cancel(self) -> None:
        """Drop the waiting jobs and stop the running one, by force if it takes too long."""
        waiting, self._waiting = self._waiting, deque()
        if self._active is not None and self._worker is not None and self._cancel_deadline is None:
            self._cancel_deadline = time.monotonic() + _CANCEL_LIMIT_S
            self._worker.send({"type": "cancel", "id": self._active[0].id})
        for _, listener in waiting:
            listener.failed(Cancelled())

    def close(self) -> None:
        """Cancel everything and end the worker; a running job gets up to two seconds to clear up.

        The process is gone afterwards, so that nothing writes to the caller's folders any more.
        """
        self.cancel()
        worker, self._worker = self._worker, None
        if worker is not None:
            if self.hello is None:
                # It still loads its packages: it has begun nothing, and would be slow to listen.
                worker.kill()
            worker.close()
        self.hello = None
        self._fail_active(Cancelled())

    def _send_next(self) -> None:
        while self._active is None and self._waiting:
            if self._worker is not None and not self._worker.alive():
                self._drop_worker()  # it ended while it had nothing to do
            self._active = self._waiting.popleft()
            try:
                self.start()
            except JSSRError as error:
                self._fail_active(error)
                continue
            assert self._worker is not None
            self._worker.send(job_message(self._active[0]))

    def _handle(self, message: Message) -> None:
        kind = message["type"]
        if kind == "hello":
            self._check_versions(message)
        elif kind == "exited":
            self._worker_ended(message)
        elif kind == "error" and message.get("id") is None:
            self.problem = WorkerError(message["message"])
        elif self._active is None or message.get("id") not in (None, self._active[0].id):
            _LOGGER.debug("message for no running job: %s", message)
        elif kind == "progress":
            self._active[1].progress(message["step"], message["fraction"])
        elif kind == "log":
            self._active[1].log(message["level"], message["message"])
        elif kind == "error":
            if message.get("ending"):
                self._drop_worker()
            self._fail_active(_error(message))
        elif kind == "result":
            self._take_active().finished(message)
        self._send_next()

    def _check_versions(self, hello: Message) -> None:
        self.hello = hello
        if (hello["protocol"], hello["jssr"]) != (PROTOCOL, __version__):
            self.problem = WorkerError(
                f"The worker is JSSR {hello['jssr']}, but this is JSSR {__version__}; "
                "remove the other installation of jssr from this Python."
            )
            self._drop_worker()
            self._fail_active(self.problem)

    def _worker_ended(self, message: Message) -> None:
        self._worker = None
        self.hello = None
        if self._cancel_deadline is not None:
            error: JSSRError = Cancelled()
        else:
            error = self.problem or _crash(message)
        self._fail_active(error)

    def _enforce_cancel(self) -> None:
        if self._cancel_deadline is None or time.monotonic() < self._cancel_deadline:
            return
        self._drop_worker()
        self._fail_active(Cancelled())
        self._send_next()

    def _drop_worker(self) -> None:
        worker, self._worker = self._worker, None
        self.hello = None
        if worker is not None:
            worker.close_input()
            worker.kill()

    def _take_active(self) -> Listener:
        assert self._active is not None
        listener = self._active[1]
        self._active = self._cancel_deadline = None
        return listener

    def _fail_active(self, error: JSSRError) -> None:
        if self._active is not None:
            self._take_active().failed(error)


def _error(message: Message) -> JSSRError:
    text = message["message"]
    if message["kind"] == "cancelled":
        return Cancelled(text)
    if message["kind"] == "resource":
        return ResourceError(text)
    return InputError(text) if message["kind"] == "input" else WorkerError(text)


def _crash(message: Message) -> WorkerError:
    code = message["code"]
    reason = "killed, mostly for want of memory" if code in _KILLED else f"code {code}"
    return WorkerError(
        f"The worker ended in the middle of its work ({reason}); try again, or choose the CPU.",
        message["message"],
    )
