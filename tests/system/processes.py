"""Real server and worker processes, started, killed and started again by tests."""

from __future__ import annotations

import html
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from hpsearch.client.client import Client
from hpsearch.processes.discovery import read_token

T = TypeVar("T")

START_SECONDS = 60


class Process:
    """A program of ours; its output goes to a file."""

    def __init__(self, module: str, arguments: list[str], directory: Path, **options: Any) -> None:
        self.log = directory / f"{module}-{time.monotonic_ns()}.log"
        environment = {**os.environ, **options.pop("environment", {})}
        with self.log.open("w") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=directory,
                env=environment,
                **options,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        """kill -9."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(10)

    def end(self) -> int:
        """SIGTERM; returns the exit status."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            return self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Service:
    """A server on a data directory of its own, and its workers."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        self.environment = {"XDG_STATE_HOME": str(directory / "state"), **environment}
        self.port = 0
        self.workers: list[Process] = []
        self.server = self.start_server()

    def start_server(self, **options: Any) -> Process:
        """Starts the server, at the port it had before."""
        arguments = [f"--port={self.port}", f"--data-dir={self.data_dir}"]
        process = Process("api", arguments, self.directory, environment=self.environment, **options)
        found = until(
            lambda: (
                re.search(r"serves at (http://.*:(\d+))", process.output)
                or (process.popen.poll() is not None and process.output)
            ),
            START_SECONDS,
        )
        assert isinstance(found, re.Match), f"the server did not start: {process.output}"
        self.url, self.port = found[1], int(found[2])
        self.server = process
        return process

    def start_worker(self, *arguments: str, **environment: str) -> Process:
        """Starts a worker."""
        worker = Process(
            "workers",
            [f"--server={self.url}", *arguments],
            self.directory,
            environment={**self.environment, "HPSEARCH_TOKEN": self.token, **environment},
        )
        self.workers.append(worker)
        return worker

    @property
    def token(self) -> str:
        token = read_token(self.data_dir)
        assert token is not None
        return token

    def client(self) -> Client:
        return Client(self.url, self.token, patience_seconds=20)

    def page(self, path: str) -> str:
        """A page of the dashboard, as text."""
        with httpx2.Client(follow_redirects=True, timeout=30) as browser:
            answer = browser.get(f"{self.url}{path}", params={"token": self.token})
        assert answer.status_code == 200, answer.text
        return html.unescape(answer.text)

    def close(self) -> None:
        for process in [*self.workers, self.server]:
            if process.popen.poll() is None:
                process.kill()


def until(found: Callable[[], T], seconds: float = 60.0) -> T:
    """The first true answer within so many seconds."""
    end = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < end, f"nothing came within {seconds} s"
        time.sleep(0.02)
