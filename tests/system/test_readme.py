"""The README's curl lines, run as they stand; the answers are those it shows."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import Service

README = Path(__file__).parents[2] / "README.md"
REST = "…"
"""Stands for any text, and as a key for any further fields."""


def exchanges() -> list[tuple[str, str]]:
    """(command, shown answer) pairs of the console block."""
    (block,) = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    pairs = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        answer_at = next((i for i, line in enumerate(lines) if line.startswith("{")), len(lines))
        pairs.append(("\n".join(lines[:answer_at]), "\n".join(lines[answer_at:])))
    return pairs


def differences(shown: Any, found: Any, path: str = "") -> list[str]:
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


def test_readme_curl_lines_give_the_answers_shown(start_service: Callable[..., Service]) -> None:
    service = start_service()
    (service.directory / ".hpsearch").symlink_to(service.data_dir)
    (service.directory / "examples").symlink_to(README.parent / "examples")
    service.start_worker()
    script, marks = [], []
    for number, (command, answer) in enumerate(exchanges()):
        command = command.replace("http://127.0.0.1:8470", service.url)
        script += [command, f"echo; echo '--- {number} ---'"]
        marks.append(answer)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        cwd=service.directory,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "no_proxy": "*"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outputs = re.split(r"\n--- \d+ ---\n", done.stdout)
    checked = 0
    for shown, found in zip(marks, outputs, strict=False):
        if shown:
            assert differences(json.loads(shown), json.loads(found)) == []
            checked += 1
    assert checked >= 5
    assert (service.directory / "best.safetensors").stat().st_size > 1000
