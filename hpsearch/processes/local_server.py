"""A server and its local workers as one thing that starts, runs and ends."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Self

from hpsearch.errors import CannotStart
from hpsearch.processes.discovery import read_token
from hpsearch.processes.supervisor import CANNOT_START, Program, Supervisor

START_SECONDS = 60.0
"""How long a server may take to answer."""
_ANNOUNCEMENT = "hpsearch serves at "
"""What a server prints before its address (`api.server`)."""


class LocalDeployment:
    """Runs `api` and `workers` as subprocesses; `url` and `token` are known once entered.

    Args:
        host: the address to listen on.
        port: 0 for a free one.
        workers: processes that train; 0 for a server alone.
        data_dir: where the server keeps its database, artifacts and token.
        capacity: trials that a worker takes on at once; none for as many as pay.

    Raises:
        CannotStart: when either cannot start; what it printed says why.
    """

    def __init__(
        self, host: str, port: int, workers: int, data_dir: Path, capacity: int | None = None
    ) -> None:
        self.host = host
        self.port = port
        self.workers = workers
        self.capacity = capacity
        self.data_dir = data_dir.absolute()
        self.url = ""
        self.token = ""
        self._supervisor = Supervisor()

    def __enter__(self) -> Self:
        try:
            self._start_server()
            if self.workers:
                self._start_workers()
        except BaseException:
            self._supervisor.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._supervisor.end()

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT comes, and restarts what crashes.

        Raises:
            CannotStart: when a process cannot start or crashes again and again.
        """
        self._supervisor.run()

    def check(self) -> None:
        """Restarts what crashed; for loops of the caller's own.

        Raises:
            SystemExit: when SIGTERM or SIGINT came.
            CannotStart: when a process cannot start or crashes again and again.
        """
        self._supervisor.check()
        if self._supervisor.is_stopping:
            raise SystemExit(0)

    def _start_server(self) -> None:
        program = Program("server", self._server_arguments(self.port))
        program.start(capture=True)
        self._supervisor.add(program, started=True)
        self.url = self._await_address(program)
        # A restart must come back where clients and workers look for it.
        program.arguments = self._server_arguments(int(self.url.rpartition(":")[2]))
        self.token = read_token(self.data_dir) or ""

    def _server_arguments(self, port: int) -> list[str]:
        return ["api", f"--host={self.host}", f"--port={port}", f"--data-dir={self.data_dir}"]

    def _start_workers(self) -> None:
        local = self.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        arguments = [
            "workers",
            f"--server={local}",
            f"--processes={self.workers}",
        ]
        if self.capacity is not None:
            arguments.append(f"--capacity={self.capacity}")
        self._supervisor.add(
            Program("workers", arguments, environment={"HPSEARCH_TOKEN": self.token})
        )

    @staticmethod
    def _await_address(program: Program) -> str:
        process = program.process
        if process is None or process.stdout is None:
            raise CannotStart("the server must be started before its address is read")
        # A thread reads, as a pipe that looks empty may have its next line in a buffer here.
        addresses: SimpleQueue[str | None] = SimpleQueue()
        threading.Thread(target=_read, args=(process.stdout, addresses), daemon=True).start()
        with suppress(Empty):
            if address := addresses.get(timeout=START_SECONDS):
                return address
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
        if process.returncode == CANNOT_START:
            raise SystemExit(CANNOT_START)  # it has said why
        raise CannotStart(
            f"the server must answer within {START_SECONDS:g} s, and it did not; see its output"
        )


def is_free(host: str, port: int) -> bool:
    """Whether this process could listen on a port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


def _read(stream: IO[str], addresses: SimpleQueue[str | None]) -> None:
    """Puts the announced address, then None at the stream's end; prints all other lines."""
    with suppress(ValueError, OSError):
        for line in stream:
            if line.startswith(_ANNOUNCEMENT):
                addresses.put(line.removeprefix(_ANNOUNCEMENT).strip())
                continue
            sys.stdout.write(line)
            sys.stdout.flush()
    addresses.put(None)
