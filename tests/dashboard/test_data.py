"""A study's page says which data it runs on, and what is to be known of them."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from rig import TOKEN, Rig, spec

ODD = "<b>rows</b> & 'more'"


@pytest.fixture
def known(sqlite_api: TestClient) -> TestClient:
    """A browser that has shown the token."""
    sqlite_api.get("/", params={"token": TOKEN})
    return sqlite_api


def add(api: TestClient, rows: int, **fields: str) -> None:
    table = "a,b,y\n" + "".join(f"{i},{i % 3},{i % 2 == 0}\n" for i in range(rows))
    data = {"name": "mine", "target": "y", **fields}
    answer = api.post("/api/v1/datasets", data=data, files={"file": ("f.csv", table)})
    assert answer.status_code == 201, answer.text


def test_a_study_shows_the_version_of_its_data_and_their_warnings(
    known: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    services: Any = known.app.state.services  # type: ignore[attr-defined]
    rig = Rig(services.database, services.tuner)
    add(known, 40)
    mine = rig.submit(**spec(name="on mine", task={"dataset": "mine"}))
    wine = rig.submit(**spec(name="on wine"))
    add(known, 60, replace="true")
    page = known.get(f"/studies/{mine}").text
    assert "<dt>Data</dt><dd>mine <small>version 1 of 2</small></dd>" in page
    assert "<dt>Data</dt><dd>wine</dd>" in known.get(f"/studies/{wine}").text
    listed = known.get("/studies").text
    assert "<td>mine <small>version 1</small>" in listed
    assert "<td>wine ·" in listed
    rig.do(lambda session: rig.tuner.stop(session, mine))
    known.delete("/api/v1/datasets/mine")
    assert "<dt>Data</dt>" not in known.get(f"/studies/{mine}").text


def test_warnings_of_a_data_set_are_text(known: TestClient) -> None:
    from hpsearch.store import datasets
    from hpsearch.store.checkpoints import StoredArtifact

    add(known, 40)
    services: Any = known.app.state.services  # type: ignore[attr-defined]
    rig = Rig(services.database, services.tuner)

    def warn(session: Any) -> None:
        stored, artifact = datasets.get(session, "mine")
        odd = stored.model_copy(update={"warnings": (ODD,), "uses": {"a": "number"}})
        file = StoredArtifact(artifact.key, artifact.size_bytes, artifact.sha256)
        datasets.add(session, odd, file, replace=True)

    rig.do(warn)
    study = rig.submit(**spec(task={"dataset": "mine"}))
    page = known.get(f"/studies/{study}").text
    assert "What to know of mine" in page
    assert "<li>&lt;b&gt;rows&lt;/b&gt; &amp; &#39;more&#39;</li>" in page
