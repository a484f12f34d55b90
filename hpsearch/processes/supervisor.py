"""Keeps programs running: starts them, restarts those that crash, ends them all on a signal.

A program's exit status says what to do: 0 it is finished, 1 it cannot start (its own message says
why), 3 it asks not to be started again, anything else is a crash. Children end with this process
however it ends (`hpsearch.processes.parent_watch`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

from hpsearch.errors import CannotStart

CANNOT_START = 1
DO_NOT_RESTART = 3
CRASHES_ALLOWED = 5
"""Within `CRASH_WINDOW_SECONDS`; one more and the supervisor gives up."""
CRASH_WINDOW_SECONDS = 60.0
GRACE_SECONDS = 20.0
"""What a program gets to end by itself: a worker finishes its epoch and stores a checkpoint."""


@dataclass
class Program:
    """One of hpsearch's own programs, as a subprocess."""

    name: str
    """For people."""
    arguments: Sequence[str]
    """What follows `python -P -m`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those of this process."""
    process: subprocess.Popen[str] | None = None
    crashes: list[float] = field(default_factory=list)
    """When it crashed lately, by the monotonic clock."""

    def start(self, *, capture: bool = False) -> None:
        """Starts the subprocess; with `capture` its output is read from `process.stdout`."""
        self.process = subprocess.Popen(  # noqa: S603 (our own modules)
            [sys.executable, "-P", "-m", *self.arguments, "--with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if capture else None,
            text=True,
            start_new_session=True,  # Ctrl-C is this process's to hear, not the child's
            env={**os.environ, **self.environment},
        )

    def end(self) -> None:
        """Sends SIGTERM, and SIGKILL after `GRACE_SECONDS`."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        _close(self.process.stdin)
        _close(self.process.stdout)


class Supervisor:
    """Runs programs until all are finished or SIGTERM or SIGINT comes.

    It takes these signals over from whoever handled them in this process.
    """

    def __init__(self) -> None:
        self.programs: list[Program] = []
        self.is_stopping = False
        """Whether a signal came."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self.is_stopping = True

    def add(self, program: Program, *, started: bool = False) -> None:
        """Adds a program to watch, and starts it unless it runs already."""
        if not started:
            program.start()
        self.programs.append(program)

    def check(self) -> None:
        """Restarts what has crashed.

        Raises:
            CannotStart: when a program cannot start or crashes again and again.
        """
        for program in list(self.programs):
            if program.process is None or (status := program.process.poll()) is None:
                continue
            if status in (0, DO_NOT_RESTART):
                self.programs.remove(program)
            elif status == CANNOT_START:
                raise CannotStart(f"the {program.name} could not start; see its message above")
            else:
                self._restart(program, status)

    def _restart(self, program: Program, status: int) -> None:
        moment = time.monotonic()
        program.crashes = [
            crash for crash in program.crashes if moment - crash < CRASH_WINDOW_SECONDS
        ]
        program.crashes.append(moment)
        if len(program.crashes) > CRASHES_ALLOWED:
            raise CannotStart(
                f"the {program.name} ended {len(program.crashes)} times within "
                f"{CRASH_WINDOW_SECONDS:g} s, the last with status {status}; read its log"
            )
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        print(f"hpsearch: the {program.name} {how}; starting it again", file=sys.stderr)  # noqa: T201
        if program.process is not None:
            _close(program.process.stdin)
            _close(program.process.stdout)
        program.start()

    def run(self) -> None:
        """Watches until a signal comes or all programs are finished.

        Raises:
            CannotStart: when a program cannot start or crashes again and again.
        """
        while self.programs and not self.is_stopping:
            self.check()
            time.sleep(0.1)

    def end(self) -> None:
        """Ends every program, the last one first: workers hand in to a server that still is."""
        for program in reversed(self.programs):
            program.end()
        self.programs.clear()


def _close(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.close()
