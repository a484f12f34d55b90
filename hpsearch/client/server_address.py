"""Which server a client speaks to where nobody names one.

The server of the data directory here (`.hpsearch`, or HPSEARCH_DATA_DIR) comes first; without such
a directory the only server that this person runs on this machine. Where that leaves several, or the
server of the directory here does not run while another does, nothing is chosen: what is written to
the wrong server is lost to those who look for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from hpsearch.errors import InvalidInput
from hpsearch.processes.discovery import RunningServer, read_token, running_servers
from hpsearch.settings import DEFAULT_HOST, DEFAULT_PORT, Settings

ANSWER_SECONDS = 2.0
"""How long a server may take to say who it is; one that takes longer is busy, not gone."""


@dataclass(frozen=True)
class ServerAddress:
    """A server to speak to."""

    url: str
    token: str | None
    data_dir: Path | None = None
    """Its data directory, where it is a server of this machine that was found by its note."""


def find_server(url: str | None = None, token: str | None = None) -> ServerAddress:
    """The server that is named, else the environment's, else one of this machine.

    Args:
        url: its address; None reads HPSEARCH_SERVER, then looks for a server of this machine.
        token: its token; None reads HPSEARCH_TOKEN, then the token in its data directory.

    Raises:
        InvalidInput: when none is named and it is not clear which one is meant.
    """
    settings = Settings()
    url = url or settings.server
    running = running_servers()
    if url is None:
        server = _server_meant(running, settings.data_dir)
        url = server.url if server else f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
    url = url.rstrip("/")
    if "://" not in url:
        url = f"http://{url}"
    token = token or settings.token
    at_url = (server for server in running if server.url == url and _is_running(server))
    local = next(at_url, None)
    data_dir = Path(local.data_dir) if local else None
    return ServerAddress(url, token or read_token(data_dir or settings.data_dir), data_dir)


def _server_meant(running: Sequence[RunningServer], data_dir: Path) -> RunningServer | None:
    """The server of a data directory, else the only one there is; None where none runs.

    Raises:
        InvalidInput: naming the servers that run, where none of them is clearly meant.
    """
    here = data_dir.resolve()
    of_directory = [server for server in running if Path(server.data_dir).resolve() == here]
    for server in of_directory:
        if _is_running(server):
            return server
    others = [server for server in running if server not in of_directory and _is_running(server)]
    if others and read_token(here) is not None:
        raise InvalidInput.at(
            "server",
            f"must be named, as the server of {here} does not run; start it with `hpsearch up`, or "
            f"name one that runs with --server or HPSEARCH_SERVER: {_listed(others)}",
        )
    if len(others) > 1:
        raise InvalidInput.at(
            "server",
            f"must be named, as {len(others)} servers run and none of them belongs to this folder; "
            f"set --server or HPSEARCH_SERVER to one of: {_listed(others)}",
        )
    return others[0] if others else None


def _is_running(server: RunningServer) -> bool:
    """Whether the server of a note answers at its address; another one there is not it."""
    try:
        response = httpx2.get(f"{server.url}/healthz", timeout=ANSWER_SECONDS, trust_env=False)
        instance = response.json().get("instance")
    except httpx2.TimeoutException:
        return True
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, AttributeError):
        return False
    return bool(instance == server.instance)


def _listed(servers: Sequence[RunningServer]) -> str:
    return ", ".join(f"{server.url} ({server.data_dir})" for server in servers)
