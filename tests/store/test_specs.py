"""A parsed spec is used again only for the very document that it was parsed from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rig import Rig, spec
from sqlalchemy.orm import Session

from hpsearch.spec.study import parse_study
from hpsearch.store import specs, studies, study_records


class Undone(Exception):
    """Leaves a transaction, which is rolled back."""


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the specs that the cache has parsed."""
    names: list[str] = []

    def parse(document: Mapping[str, Any]) -> object:
        names.append(document["name"])
        return parse_study(document)

    monkeypatch.setattr(specs, "parse_study", parse)
    return names


def test_a_spec_is_parsed_once_whoever_reads_it(rig: Rig, parsed: list[str]) -> None:
    study_id = rig.submit()
    (job,) = rig.lease(rig.join())
    rig.report(job, 0)
    rig.complete(job)
    with rig.database.read() as session:
        study_records.page(session, 10, None, None)
        name = studies.spec_of(session, study_id).name
    assert parsed == [name]


def test_an_edit_is_seen_at_once(rig: Rig) -> None:
    study_id = rig.submit()
    patch = {"search": {"trials": 9}}
    rig.do(lambda session: rig.tuner.edit(session, study_id, patch))
    assert rig.spec(study_id).search.trials == 9


def test_a_rolled_back_edit_is_not_remembered(rig: Rig) -> None:
    study_id = rig.submit()

    def edit(session: Session) -> None:
        rig.tuner.edit(session, study_id, {"search": {"trials": 9}})
        assert studies.spec_of(session, study_id).search.trials == 9
        raise Undone

    with pytest.raises(Undone):
        rig.do(edit)
    assert rig.spec(study_id).search.trials == 6
    rig.do(lambda session: rig.tuner.edit(session, study_id, {"search": {"trials": 8}}))
    assert rig.spec(study_id).search.trials == 8


def test_a_study_that_was_rolled_back_leaves_no_spec_to_the_next_of_its_id(rig: Rig) -> None:
    def submit(session: Session) -> None:
        rig.tuner.submit(session, parse_study(spec(name="undone")))
        raise Undone

    with pytest.raises(Undone):
        rig.do(submit)
    assert rig.spec(rig.submit(name="stored")).name == "stored"
