"""The wheel, built here and installed into environments that hold nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Sequence
from email import message_from_bytes
from importlib.metadata import distribution, requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built_wheel(directory: Path) -> Path:
    """The wheel of this checkout."""
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", directory]
    run(*pip, ROOT, cwd=directory)
    (wheel,) = directory.glob("*.whl")
    return wheel


def environment(directory: Path, wheel: Path, *extras: str) -> Path:
    """An environment of the wheel and of what it asks for, nothing else; its bin directory.

    What it asks for is lent by the environment that runs here, as unpacking it again takes a
    minute; pip refuses the wheel where something is missing.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    there = directory / "lib" / f"python{version}" / "site-packages"
    there.mkdir(parents=True)
    for name in required(wheel, extras):
        for entry in {file.parts[0] for file in distribution(name).files or ()} - {"..", "bin"}:
            if not (there / entry).exists():
                (there / entry).symlink_to(distribution(name).locate_file(entry))
    venv.create(directory)
    python = directory / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index"]
    wanted = f"{wheel}[{','.join(extras)}]" if extras else wheel
    run(*pip, "--no-compile", wanted, cwd=directory)
    return python.parent


def required(wheel: Path, extras: Sequence[str]) -> set[str]:
    """Names of all distributions that the wheel needs with these extras, and what those need."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        own = message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []
    needed: set[tuple[str, tuple[str, ...]]] = set()
    waiting = [("hpsearch", tuple(extras))]
    while waiting:
        distribution_name, asked = waiting.pop()
        lines = own if distribution_name == "hpsearch" else requires(distribution_name) or []
        for requirement in map(Requirement, lines):
            marker, more = requirement.marker, tuple(sorted(requirement.extras))
            asks = marker is None or any(marker.evaluate({"extra": name}) for name in ("", *asked))
            if asks and (requirement.name, more) not in needed:
                needed.add((requirement.name, more))
                waiting.append((requirement.name, more))
    return {name for name, _ in needed} - {"hpsearch"}


def demo_accuracy(bin_dir: Path, home: Path) -> float:
    """What the demo's best trial came to, run from `home`."""
    output = run(
        bin_dir / "hpsearch", "demo", "--exit", "--port=0", cwd=home,
        XDG_STATE_HOME=str(home / "state"),
    )  # fmt: skip
    assert "best trial" in output
    assert "test_accuracy" in output
    return float(output.rpartition("val_accuracy ")[2].split(",")[0])
