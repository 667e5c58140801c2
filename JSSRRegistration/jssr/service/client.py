"""The client's side of the protocol: starts a worker process and exchanges messages with it.

Two threads read the worker's output, so nothing here blocks but :meth:`WorkerProcess.wait`, for as
long as it is asked to, and :meth:`WorkerProcess.close`.
"""

import collections
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import jssr
from jssr.errors import InputError, JSSRError
from jssr.service.protocol import Message, decode, encode

_TAIL_LINES = 40
_CLOSE_LIMIT_S = 2.0


class WorkerProcess:
    """One worker process.

    Beside the messages of the protocol it hands out ``{"type": "exited", "code": …, "message": …}``
    as the last one, whatever ended the process.

    Args:
        command: the Python to use and the module to run.
        environment: variables of the new process.

    Raises:
        JSSRError: the program cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        self._pid: int | None = None
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                **_without_console(),
            )
        except OSError as error:
            raise JSSRError(f"The worker cannot be started with '{command[0]}': {error}.") from None
        self._errors = threading.Thread(target=self._read_errors, daemon=True)
        self._errors.start()
        threading.Thread(target=self._read_messages, daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; a worker that is gone is told by its ``exited`` message, not here."""
        stream = self._process.stdin
        assert stream is not None
        line = encode(message)
        with contextlib.suppress(OSError, ValueError):
            stream.write(line)
            stream.flush()

    def wait(self, timeout_s: float) -> Message | None:
        """The next message, or ``None`` if there is none within ``timeout_s``."""
        try:
            if timeout_s <= 0:
                return self._messages.get_nowait()
            return self._messages.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the worker by closing its input, and wait until it is gone: up to two seconds.

        An idle worker goes at once, and a running job gets the time to clear up. What still runs
        then is killed.
        """
        self.close_input()
        try:
            self._process.wait(_CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def close_input(self) -> None:
        """Tell the worker to end, without waiting for it."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        """End the worker at once, also where the process that was started is only a launcher.

        That it is gone is told by ``exited``; this does not wait for it.
        """
        if self._pid is not None and self.alive():
            with contextlib.suppress(OSError):
                os.kill(self._pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self._process.kill()

    def _read_messages(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        for line in stream:
            try:
                message = decode(line)
            except InputError:
                self._tail.append(_text(line))
                continue
            if message["type"] == "hello":
                self._pid = message.get("pid")
            self._messages.put(message)
        code = self._process.wait()
        self._errors.join(1.0)
        self._messages.put({"type": "exited", "code": code, "message": "\n".join(self._tail)})
        stream.close()

    def _read_errors(self) -> None:
        stream: IO[bytes] | None = self._process.stderr
        assert stream is not None
        with stream:
            for line in stream:
                self._tail.append(_text(line))


def worker_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for a worker that imports the same ``jssr`` as this process."""
    environment = dict(os.environ if base is None else base)
    root = str(Path(jssr.__file__).resolve().parent.parent)
    path = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join([root, path] if path else [root])
    return environment


def worker_command(python: str | None = None) -> list[str]:
    """The command line of a worker; ``python`` is this Python unless another is named."""
    return [python or sys.executable, "-m", "jssr.worker"]


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip()


def _without_console() -> dict[str, Any]:
    if sys.platform != "win32":
        return {}
    return {"creationflags": subprocess.CREATE_NO_WINDOW}
