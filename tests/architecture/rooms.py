"""The rooms of the house and the arrows between them: `python tests/architecture/rooms.py`.

room    a folder directly under hpsearch/, a module in its root, or one of the other packages
arrow   A -> B: a file of room A imports one of room B, at any place in it, for types too
cycle   files that import each other in a circle
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("hpsearch", "api", "workers", "migrations", "benchmarks")


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module by its dotted name; a package goes by its own."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(known: Mapping[str, Path]) -> dict[str, set[str]]:
    """The modules that each module imports, of those known."""
    return {name: set(_imported(path, known)) - {name} for name, path in known.items()}


def room(module: str) -> str:
    """`hpsearch.store.jobs` lies in `hpsearch.store`, `api.routes.jobs` in `api`."""
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] == "hpsearch" else 1])


def arrows(links: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """The pairs of rooms of which the first imports the second."""
    pairs = {(room(name), room(other)) for name, others in links.items() for other in others}
    return {(one, other) for one, other in pairs if one != other}


def cycle(links: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; empty where none do."""
    try:
        TopologicalSorter(links).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else node.module for name in inner)


def main() -> None:
    """Prints rooms, arrows and a cycle, where there is one."""
    links = imports(modules())
    pairs = sorted(arrows(links))
    rooms = sorted({room(name) for name in links})
    for one in rooms:
        print(f"{one:26} -> {', '.join(other for source, other in pairs if source == one) or '-'}")
    print(f"{len(rooms)} rooms, {len(pairs)} arrows, cycle: {' -> '.join(cycle(links)) or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
