"""The worker's side of the protocol: a queue of jobs, one at a time, that can always be stopped.

The jobs run in the thread that calls :meth:`Server.serve`; a second thread reads standard input, so
that cancelling and the end of the client are noticed while a job computes. A job that does not
stop by itself within the grace time is ended together with its process: nothing else can stop a
native library. The client then starts a new worker.
"""

import logging
import os
import queue
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from jssr.errors import Cancelled, InputError, JSSRError, ResourceError
from jssr.memory import is_out_of_memory
from jssr.service.protocol import MAXIMUM_LINE_BYTES, Job, Message, decode, encode, parse_job

_LOGGER = logging.getLogger(__name__)
_PROGRESS_INTERVAL_S = 0.05


class JobContext:
    """A job that waits or runs, and its way to talk to the client."""

    def __init__(self, job: Job, emit: Callable[[Message], None]) -> None:
        self.job = job
        self._emit = emit
        self._cancelled = threading.Event()
        self._last: tuple[str, float] = ("", 0.0)

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._cancelled.set()

    def cancelled(self) -> bool:
        """Whether the job was asked to stop."""
        return self._cancelled.is_set()

    def progress(self, step: str, fraction: float) -> None:
        """Tell the step and the part that is done, not more often than a person can follow."""
        now = time.monotonic()
        if step == self._last[0] and now - self._last[1] < _PROGRESS_INTERVAL_S:
            return
        self._last = (step, now)
        self._emit({"type": "progress", "id": self.job.id, "step": step, "fraction": fraction})

    def log(self, level: str, message: str) -> None:
        """Tell a line of text; ``level`` is ``info``, ``warning`` or ``error``."""
        self._emit({"type": "log", "id": self.job.id, "level": level, "message": message})


Perform = Callable[[Job, JobContext], Mapping[str, Any]]
"""Does a job and returns the fields of its result message."""


class Server:
    """Serves jobs from ``source`` and answers on ``sink`` until told to end.

    Args:
        grace_s: how long a job may take to stop by itself after a cancel or the client's end.
        leave: ends the process at once with an exit code; exchanged in tests.
    """

    def __init__(
        self,
        source: BinaryIO,
        sink: BinaryIO,
        *,
        grace_s: float = 0.8,
        leave: Callable[[int], Any] = os._exit,
    ) -> None:
        self._source = source
        self._sink = sink
        self._grace_s = grace_s
        self._leave = leave
        self._queue: queue.SimpleQueue[JobContext | None] = queue.SimpleQueue()
        self._pending: dict[str, JobContext] = {}
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._ended = threading.Event()
        self._scratch: set[Path] = set()

    def start_reading(self) -> None:
        """Begin to listen, in a thread of its own."""
        threading.Thread(target=self._read, name="reader", daemon=True).start()

    def emit(self, message: Mapping[str, Any]) -> None:
        """Send one message; the process ends when nobody listens any more."""
        try:
            with self._write_lock:
                self._sink.write(encode(message))
                self._sink.flush()
        except (OSError, ValueError):
            self._remove_scratch()
            self._leave(1)

    def serve(self, perform: Perform) -> None:
        """Do the jobs in their order until the client is done.

        ``perform`` does one job and raises :class:`JSSRError` for what the user can mend.
        """
        handler = _LogToClient(self)
        logging.getLogger("jssr").addHandler(handler)
        try:
            while (context := self._queue.get()) is not None:
                handler.context = context
                self._do(perform, context)
                handler.context = None
        finally:
            logging.getLogger("jssr").removeHandler(handler)
            self._ended.set()
            self._remove_scratch()

    def _do(self, perform: Perform, context: JobContext) -> None:
        job = context.job
        try:
            if context.cancelled():
                raise Cancelled
            answer = {"type": "result", **perform(job, context), "id": job.id}
        except Exception as error:  # noqa: BLE001  the worker outlives what a job does in Python
            answer = {"type": "error", "id": job.id, **describe_error(error)}
            if _is_gpu_fault(error):
                text = "The GPU failed in the job before this one; try again."
                self._end(context, answer, text)
                return
        if self._take(context):
            self.emit(answer)

    def _take(self, context: JobContext) -> bool:
        """Whether the job still waits for its answer, which only the caller may give now."""
        with self._lock:
            if self._pending.get(context.job.id) is not context:
                return False
            del self._pending[context.job.id]
            return True

    def _read(self) -> None:
        while line := self._source.readline(MAXIMUM_LINE_BYTES):
            if not line.endswith(b"\n") and len(line) == MAXIMUM_LINE_BYTES:
                self._skip_line()
                line = b""
            try:
                if not self._handle(decode(line)):
                    break
            except InputError as error:
                self.emit({"type": "error", "id": None, "kind": "input", "message": str(error)})
        self._close()

    def _skip_line(self) -> None:
        while (rest := self._source.readline(MAXIMUM_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass

    def _handle(self, message: Message) -> bool:
        """Act on a message; False ends the reading."""
        if message["type"] == "shutdown":
            return False
        if message["type"] == "cancel":
            self._cancel(message.get("id"))
            return True
        try:
            job = parse_job(message)
            self._add(job)
        except InputError as error:
            name = message.get("id")
            name = name if isinstance(name, str) else None
            self.emit({"type": "error", "id": name, "kind": "input", "message": str(error)})
        return True

    def _add(self, job: Job) -> None:
        context = JobContext(job, self.emit)
        with self._lock:
            if job.id in self._pending:
                raise InputError(f"A job called '{job.id}' waits or runs already.")
            self._pending[job.id] = context
            if job.scratch:
                self._scratch.add(job.scratch)
        self._queue.put(context)

    def _cancel(self, job_id: Any) -> None:
        with self._lock:
            context = self._pending.get(job_id) if isinstance(job_id, str) else None
            running = context is not None and next(iter(self._pending)) == job_id
        if context is None:
            return
        context.cancel()
        if running:
            timer = threading.Timer(self._grace_s, self._end_stuck_job, [context])
            timer.daemon = True
            timer.start()

    def _end_stuck_job(self, context: JobContext) -> None:
        answer = {"type": "error", "id": context.job.id, **describe_error(Cancelled())}
        text = "The worker had to end to cancel the job before this one; start it again."
        self._end(context, answer, text)

    def _end(self, context: JobContext, answer: Message, why: str) -> None:
        """End the process with the answer to one job, unless it got one already.

        ``why`` is told to the jobs that wait.
        """
        if not self._take(context):
            return
        with self._lock:
            waiting = list(self._pending)
        self.emit({**answer, "ending": True})
        for name in waiting:
            error = {"type": "error", "id": name, "kind": "internal", "message": why}
            self.emit({**error, "ending": True})
        self._leave(0)

    def _close(self) -> None:
        with self._lock:
            for context in self._pending.values():
                context.cancel()
        self._queue.put(None)
        if not self._ended.wait(self._grace_s):
            self._remove_scratch()
            self._leave(0)

    def _remove_scratch(self) -> None:
        # Those of finished jobs too: the client may have died before it could use the result.
        for folder in self._scratch:
            shutil.rmtree(folder, ignore_errors=True)


def describe_error(error: BaseException) -> Message:
    """``kind`` and ``message`` of an error message."""
    if isinstance(error, Cancelled):
        return {"kind": "cancelled", "message": str(error)}
    if isinstance(error, ResourceError):
        return {"kind": "resource", "message": str(error)}
    if isinstance(error, JSSRError):
        return {"kind": "input", "message": str(error)}
    if is_out_of_memory(error):
        text = "There is not enough memory; close other programs, or choose another device."
        return {"kind": "memory", "message": text}
    _LOGGER.error("".join(traceback.format_exception(error)))
    if _is_gpu_fault(error):
        # TorchScript puts lines of its own before what CUDA says.
        said = "CUDA error" + str(error).partition("CUDA error")[2].partition("\n")[0]
        text = f"The GPU failed ({said}); try again, or choose the CPU."
        return {"kind": "internal", "message": text}
    text = f"An unexpected error ended the job: {type(error).__name__}: {error}"
    return {"kind": "internal", "message": text}


def _is_gpu_fault(error: BaseException) -> bool:
    """Whether the GPU failed in a way that leaves this process unable to use it again."""
    told = isinstance(error, JSSRError) or is_out_of_memory(error)
    return "CUDA error" in str(error) and not told


class _LogToClient(logging.Handler):
    """Sends the library's log lines to the client, under the running job."""

    def __init__(self, server: Server) -> None:
        super().__init__(logging.INFO)
        self._server = server
        self.context: JobContext | None = None

    def emit(self, record: logging.LogRecord) -> None:
        level = "info" if record.levelno < logging.WARNING else record.levelname.lower()
        job_id = None if self.context is None else self.context.job.id
        self._server.emit(
            {"type": "log", "id": job_id, "level": level, "message": record.getMessage()}
        )
