"""How the house is laid out: few rooms in few directions, short files, no cycle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rooms import PACKAGES, ROOT, arrows, cycle, imports, modules

MOST_ROOT_MODULES = 8
MOST_ARROWS = 90
MOST_LINES = 400

MISSING_SUMMARY = re.compile(r"noqa:.*\bD20[5]")
"""A docstring that is excused from having a summary of one line (ruff's D205)."""


@pytest.fixture(scope="module")
def links() -> dict[str, set[str]]:
    """What each module imports, for types too."""
    return imports(modules())


def _python_files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found
    return found


def _imported_parts(path: Path) -> Iterator[str]:
    """Every part of every name that a file imports: `a`, `b` and `c` for `from a.b import c`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            for name in names:
                yield from name.split(".")


def test_the_root_of_hpsearch_holds_few_modules() -> None:
    names = sorted(path.name for path in (ROOT / "hpsearch").glob("*.py"))
    assert len(names) <= MOST_ROOT_MODULES, names


def test_rooms_import_few_others(links: dict[str, set[str]]) -> None:
    pairs = sorted(arrows(links))
    assert len(pairs) <= MOST_ARROWS, pairs


def test_no_modules_import_each_other_in_a_circle(links: dict[str, set[str]]) -> None:
    assert cycle(links) == []


def test_no_python_file_is_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in _python_files(*PACKAGES, "tests")
    }
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_test_module_is_imported() -> None:
    """What several of them need stands in a helper module or in `conftest.py` beside them."""
    files = _python_files("tests")
    names = {path.stem for path in files if path.stem.startswith("test_")}
    found = {
        str(path.relative_to(ROOT)): names.intersection(_imported_parts(path)) for path in files
    }
    assert {path: imported for path, imported in found.items() if imported} == {}


def test_every_docstring_has_a_summary_of_one_line() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in _python_files(*PACKAGES, "tests", "examples")
        if MISSING_SUMMARY.search(path.read_text())
    ]
    assert found == []
