"""The catalogue page is what the code says today, and names what the contract names."""

from __future__ import annotations

import re
from pathlib import Path

from hpsearch.reference import catalogue
from hpsearch.spec.language.base import wire_names
from hpsearch.spec.language.family import kind_of

PAGE = Path(__file__).parents[2] / "docs" / "catalogue.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == catalogue.page(), (
        "run python -m hpsearch.reference.catalogue > docs/..."
    )


def test_every_kind_has_its_row_with_every_field() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*)$", PAGE.read_text(), re.MULTILINE)
    for family in catalogue.FAMILIES.values():
        for member in family.members.values():
            names = [name for name in wire_names(member).values() if name != "kind"]
            assert (member.__doc__ or "").strip()
            assert any(
                kind == kind_of(member) and all(f"`{name}`" in row for name in names)
                for kind, row in rows
            ), member


def test_every_kinds_example_makes_one_of_it() -> None:
    for family in catalogue.FAMILIES.values():
        for kind, member in family.members.items():
            assert member.model_validate({"kind": kind, **member.example}).kind == kind
