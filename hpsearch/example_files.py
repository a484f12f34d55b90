"""Where example specs lie: in the package when it is installed, else beside it in a checkout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hpsearch.errors import NotFound


def example(name: str) -> Path:
    """The path of one example.

    Raises:
        NotFound: naming those that there are.
    """
    path = _directory() / name
    if not path.is_file():
        raise NotFound(
            f"an example must exist to be used, and none is called {name}; there are "
            + ", ".join(path.name for path in examples())
        )
    return path


def examples() -> Iterator[Path]:
    """Every example spec by name."""
    yield from sorted(_directory().glob("*.yaml"))


def _directory() -> Path:
    packaged = Path(__file__).resolve().parent / "examples"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[1] / "examples"
