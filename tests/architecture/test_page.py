"""ARCHITECTURE.md and CONTRIBUTING.md name only what the code has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rooms import ROOT, imports, modules, room

PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md")


def _names(path: Path) -> Iterator[str]:
    """What a module defines at its top."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_name_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`([\w/]+\.py)(?::(\w+))?`", text)
    assert named
    for file, name in named:
        assert (ROOT / file).is_file(), file
        assert not name or name in _names(ROOT / file), f"{file}:{name}"


def test_every_room_has_its_row() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = {room(module) for module in imports(modules())}
    folders = {one.replace(".", "/") for one in rooms if (ROOT / one.replace(".", "/")).is_dir()}
    assert {folder for folder in folders if f"`{folder}`" not in text} <= {"hpsearch"}
