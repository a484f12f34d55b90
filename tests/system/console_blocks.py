"""The console blocks of a page: what it says to type, and what it shows for an answer."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from processes import Service

REST = "…"
"""Stands for any text, and as a key for any further fields."""

ADDRESS = "http://127.0.0.1:8470"
"""Of the server, as pages have it."""

_HERE_DOCUMENT = re.compile(r"<<'(\w+)'")


class Exchange(NamedTuple):
    """A command as it is typed, and the answer that the page shows; empty where it shows none."""

    command: str
    answer: str


def exchanges(page: Path) -> list[Exchange]:
    """All of a page's console blocks, in order."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [_exchange(part.splitlines()) for part in parts]


def _exchange(lines: Sequence[str]) -> Exchange:
    length = next(n for n in range(1, len(lines) + 1) if _is_whole("\n".join(lines[:n])))
    return Exchange("\n".join(lines[:length]), "\n".join(lines[length:]).strip())


def _is_whole(command: str) -> bool:
    """Whether a shell would ask for no further line."""
    here = _HERE_DOCUMENT.search(command)
    if here is not None:
        return command.splitlines()[-1] == here[1]
    try:
        shlex.split(command)
    except ValueError:
        return False
    return not command.endswith("\\")


def run(shown: Sequence[Exchange], service: Service) -> list[str]:
    """What the commands print, typed one after another in the folder of a service's data."""
    script = []
    for number, exchange in enumerate(shown):
        command = exchange.command.replace(ADDRESS, service.url)
        script += [command, f"echo; echo '--- {number} ---'"]
    programs = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        cwd=service.directory,
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ, **service.environment, "no_proxy": "*", "COLUMNS": "80",
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HPSEARCH_SERVER": service.url, "HPSEARCH_TOKEN": service.token,
        },
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = done.stdout.replace(service.url, ADDRESS)
    return re.split(r"\n--- \d+ ---\n", printed)


def differences(shown: Any, found: Any, path: str = "") -> list[str]:
    """Where an answer is not what the page shows; numbers with a point may lie 5 % off."""
    if shown == REST:
        return []
    if isinstance(shown, dict) and isinstance(found, dict):
        names = set(shown) - {REST}
        missing = [f"{path}.{name} is missing" for name in names - set(found)]
        extra = [] if REST in shown else [f"{path}.{n} is extra" for n in set(found) - names]
        return (
            missing
            + extra
            + [
                difference
                for name in names & set(found)
                for difference in differences(shown[name], found[name], f"{path}.{name}")
            ]
        )
    if isinstance(shown, list) and isinstance(found, list) and len(shown) == len(found):
        return [
            difference
            for i, (a, b) in enumerate(zip(shown, found, strict=True))
            for difference in differences(a, b, f"{path}[{i}]")
        ]
    if isinstance(shown, float) and isinstance(found, float):
        close = math.isclose(shown, found, rel_tol=0.05)
        return [] if close else [f"{path}: {shown} is shown, {found} came"]
    return [] if shown == found else [f"{path}: {shown!r} is shown, {found!r} came"]


def check(shown: Exchange, found: str) -> bool:
    """Holds an answer to what the page shows of it; returns whether it shows anything."""
    if not shown.answer:
        return False
    if shown.answer.startswith("{"):
        assert differences(json.loads(shown.answer), json.loads(found)) == [], shown.command
    else:
        lines = "\n".join(line.rstrip() for line in found.strip().splitlines())
        pattern = ".*".join(map(re.escape, shown.answer.split(REST)))
        assert re.fullmatch(pattern, lines, re.DOTALL), f"$ {shown.command}\n{found}"
    return True
