"""Runs the application under uvicorn, on a socket that is bound before anything else happens."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

import uvicorn

from api.app import create_app
from hpsearch.errors import CannotStart, HpsearchError
from hpsearch.processes.discovery import RunningServer, announce
from hpsearch.processes.parent_watch import exit_with_parent
from hpsearch.settings import DEFAULT_HOST, DEFAULT_PORT, Settings

PORT_PATIENCE_SECONDS = 3.0
"""How long a port may be held by a server that is just going down."""


def main(arguments: list[str]) -> int:
    """Serves until told to end; returns the exit status."""
    parser = argparse.ArgumentParser(prog="hpsearch serve")
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--with-parent", action="store_true", help="end when the parent does")
    options = parser.parse_args(arguments)
    settings = Settings() if options.data_dir is None else Settings(data_dir=options.data_dir)
    if options.with_parent:
        exit_with_parent()
    # uvicorn raises the signal that ended it once more, and by default that would end this process
    # before its note is removed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        serve(settings, options.host, options.port)
    except HpsearchError as error:
        print(f"hpsearch: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def serve(settings: Settings, host: str, port: int) -> None:
    """Binds, opens the store, serves.

    Raises:
        CannotStart: when the port is taken or the data directory cannot be written.
        DatabaseUnavailable: when the database does not answer.
    """
    listener = bind(host, port)
    try:
        app = create_app(settings)
    except PermissionError as error:
        raise CannotStart(
            f"the data directory {settings.data_dir} must be writable ({error.strerror}); "
            "choose another with --data-dir"
        ) from error
    shown_host = f"[{host}]" if ":" in host else host
    url = f"http://{shown_host}:{listener.getsockname()[1]}"
    data_dir = str(settings.data_dir.absolute())
    note = announce(RunningServer(url, data_dir, os.getpid(), app.state.services.instance))
    try:
        server = _Server(
            uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
        )
        print(f"hpsearch serves at {url}", flush=True)  # noqa: T201
        server.run(sockets=[listener])
    finally:
        note.unlink(missing_ok=True)


class _Server(uvicorn.Server):
    """Tells open streams to end as soon as the server is told to: they would hold it up."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end came."""
        self.config.app.state.closing.set()  # type: ignore[union-attr]
        super().handle_exit(sig, frame)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        CannotStart: when the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + PORT_PATIENCE_SECONDS
    while True:
        # The protocol is named, else the event loop would leave Nagle's delay on: 40 ms an answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OverflowError:
            raise CannotStart(
                f"a port must be between 0 and 65535, got {port}; choose another with --port"
            ) from None
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(0.1)
                continue
            raise CannotStart(_why_not(error, host, port)) from error
        return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} must be free, and another program holds it; "
            "end that program or choose another with --port"
        )
    if error.errno == errno.EACCES:
        return f"port {port} is not for ordinary users; choose one above 1023 with --port"
    return f"{host}:{port} must be an address of this machine ({error}); choose another with --host"
