"""One ffmpeg at work: its bytes are ours to read, its words are kept, and it never outlives us.

Conventions
-----------
Times in seconds. The child runs in a session of its own, so that killing its group also ends
whatever it started. A thread reads its standard error all the time, so a talkative child never
blocks on a full pipe while we wait for its standard output. Only time spent waiting for the child counts
against the limits: a slow consumer is not a stalled decoder.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, NoReturn, cast

from pipeline.errors import MediaError, ToolError

KEPT_LINES = 40  # of standard error, for the message of a failure
PIPE_BYTES = 1 << 20  # four 256 × 320 pictures; the usual 64 KiB would wake us four times for each one


@dataclass(frozen=True)
class Limits:
    """How long a child may keep us waiting: `stall_s` without a sign of life, `total_s` altogether."""

    stall_s: float = 60.0
    total_s: float = 4 * 3600.0


class LineListener:
    """A thread that reads the raw end of a pipe until the other end is closed, and passes on each line."""

    def __init__(self, pipe: IO[bytes], on_line: Callable[[str], None]):
        self._lines = io.TextIOWrapper(io.BufferedReader(cast(io.RawIOBase, pipe)), errors="replace")
        self._on_line = on_line
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with self._lines:
            for line in self._lines:
                self._on_line(line.rstrip())

    def join(self, timeout_s: float) -> None:
        """Wait until everything has been passed on."""
        if threading.current_thread() is not self._thread:  # the garbage collector may run in any thread
            self._thread.join(timeout=timeout_s)


class Child:
    """A running program whose standard output is read by the caller.

    Use as a context manager: leaving it kills the child's whole group if it still runs.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    subject : str
        What it works on, for messages: usually the file's name.
    on_line : callable, optional
        Called in the reading thread with each line of standard error.
    limits : Limits, optional
    inherit : int, optional
        Descriptor of a pipe's writing end that the child shall have too; closed here, so that its reader
        sees the end when the child ends.
    """

    def __init__(
        self,
        command: Sequence[str],
        subject: str,
        *,
        on_line: Callable[[str], None] | None = None,
        limits: Limits | None = None,
        inherit: int | None = None,
    ):
        self.subject, self.program = subject, os.path.basename(command[0])
        self.limits = limits or Limits()
        self.tail: deque[str] = deque(maxlen=KEPT_LINES)
        self._on_line = on_line
        self._waited_s = 0.0
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                pass_fds=() if inherit is None else (inherit,),
            )
        except OSError as error:
            raise ToolError(
                f"{command[0]} does not start: {error}.",
                remedy="`ave doctor` shows which ffmpeg is used; set AVE_FFMPEG and AVE_FFPROBE to working ones.",
                code="no-ffmpeg",
            ) from error
        finally:
            if inherit is not None:
                os.close(inherit)
        assert self._process.stdout is not None and self._process.stderr is not None
        self._stdout = self._process.stdout
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):  # an unprivileged user may be held to less; then it is only slower
                fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN | select.POLLHUP)
        self._heard = time.monotonic()
        self._listener = LineListener(self._process.stderr, self._hear)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _hear(self, line: str) -> None:
        self._heard = time.monotonic()
        self.tail.append(line)
        if self._on_line is not None:
            self._on_line(line)

    def read_into(self, view: memoryview) -> int:
        """Fill `view` from standard output; fewer bytes than asked for mean that it has ended.

        Raises
        ------
        MediaError
            Code "stalled" or "timeout" when a limit is reached; the child is dead then.
        """
        n_read = 0
        while n_read < len(view):
            self._wait_for_output()
            n_new = self._stdout.readinto(view[n_read:])  # type: ignore[attr-defined]
            if not n_new:
                break
            n_read += n_new
        return n_read

    def read_all(self) -> bytearray:
        """All of standard output. Raises like `read_into`."""
        everything, chunk = bytearray(), memoryview(bytearray(PIPE_BYTES))
        while n_new := self.read_into(chunk):
            everything += chunk[:n_new]
        return everything

    def finish(self) -> int:
        """Wait for the child after its output has ended, and return its exit status.

        Raises
        ------
        MediaError
            Code "stalled" if it neither works nor ends.
        """
        try:
            status = self._process.wait(timeout=self.limits.stall_s)
        except subprocess.TimeoutExpired:
            self._give_up("stalled", f"closed its output but did not end within {self.limits.stall_s:g} s")
        self._listener.join(self.limits.stall_s)
        return status

    def kill(self) -> None:
        """End the child and everything it started; a child that has ended already is left alone."""
        # Until it is waited for, a dead child keeps its number, so this never hits a stranger's group.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._stdout.close()
        self._listener.join(5.0)

    def _wait_for_output(self) -> None:
        started = self._heard = time.monotonic()
        while True:
            now = time.monotonic()
            stall_left = self._heard + self.limits.stall_s - now
            total_left = self.limits.total_s - self._waited_s - (now - started)
            if self._poll.poll(max(0.0, min(stall_left, total_left)) * 1000):
                self._waited_s += time.monotonic() - started
                return
            if total_left <= 0:
                self._give_up("timeout", f"took more than {self.limits.total_s:g} s")
            if self._heard + self.limits.stall_s <= time.monotonic():
                self._give_up("stalled", f"gave no sign of life for {self.limits.stall_s:g} s")

    def _give_up(self, code: str, what: str) -> NoReturn:
        self.kill()
        raise MediaError(
            f"{self.subject}: {self.program} {what} and was killed. Its last words: {self.last_words()}",
            remedy="Play the file to see whether it is whole; if only the disk or network is slow, build again.",
            code=code,
        )

    def last_words(self, n_lines: int = 3) -> str:
        """The end of standard error, for a message."""
        words = " / ".join([line for line in self.tail if line][-n_lines:])
        return re.sub(r" @ 0x[0-9a-f]+", "", words) or "none"  # addresses differ from run to run
