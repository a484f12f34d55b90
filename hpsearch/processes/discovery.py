"""How programs of one person on one machine find the server and its token, as Jupyter does.

A server writes the token to `<data dir>/token` and, while it runs, a note of its address to the
person's state directory; both can be read by that person alone.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunningServer:
    """What a server that runs here says of itself to other programs of its person."""

    url: str
    data_dir: str
    pid: int
    instance: str
    """What it answers to who asks which server it is: another at its address answers otherwise."""


def token_path(data_dir: Path) -> Path:
    """The file that holds a server's token."""
    return data_dir / "token"


def ensure_token(data_dir: Path, given: str | None = None) -> str:
    """The server's token, which is on file from now on.

    Args:
        data_dir: the server's data directory.
        given: the token to use; without one it is that on file, else a new one.
    """
    path = token_path(data_dir)
    data_dir.mkdir(parents=True, exist_ok=True)
    stored = read_token(data_dir)
    token = (given or "").strip() or stored or secrets.token_urlsafe(32)
    if token != stored:
        _write_private(path, token + "\n")
    path.chmod(0o600)
    return token


def read_token(data_dir: Path) -> str | None:
    """The token on file; None where there is none, or this person may not read it."""
    with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
        return token_path(data_dir).read_text().strip() or None
    return None


def announce(server: RunningServer) -> Path:
    """Lets other programs find a running server; returns the file to remove at its end."""
    directory = _notes_directory()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / f"{server.pid}.json"
    _write_private(path, json.dumps(asdict(server)))
    return path


def running_servers() -> list[RunningServer]:
    """Servers that announced themselves and are alive, the latest first."""
    servers = []
    for path in _notes_directory().glob("*.json"):
        try:
            server = RunningServer(**json.loads(path.read_text()))
            written_at = path.stat().st_mtime
            alive = _alive(server.pid)
        except (OSError, ValueError, TypeError, OverflowError):
            continue  # Its server has just ended, or it is none of ours.
        if alive:
            servers.append((written_at, server))
        else:
            path.unlink(missing_ok=True)
    return [server for _, server in sorted(servers, key=lambda pair: pair[0], reverse=True)]


def _notes_directory() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "hpsearch" / "servers"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _write_private(path: Path, content: str) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    part.replace(path)
