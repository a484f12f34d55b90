"""Ensembles on a study's page, and checkpoints on a trial's."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest
from dashboard_studies import HOSTILE, Dashboard, visit
from fastapi.testclient import TestClient
from page_text import assert_text_keeps_to_its_place
from playwright.sync_api import Page, expect
from rig import TOKEN, Rig
from rig import spec as small
from sqlalchemy.orm import Session

from api.dashboard import formatting
from api.dashboard.ensembles import (
    MOST_MEMBERS_SHOWN,
    MOST_SHOWN,
    Comparison,
    choices,
    row_of,
)
from hpsearch.spec.ensembles.members import GreedyEnsemble, ReinitEnsemble, TopKEnsemble
from hpsearch.spec.language.states import EnsembleState
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.ensemble_scores import Range, Scores
from hpsearch.spec.wire.ensembles import (
    BuildProgress,
    Ensemble,
    EnsembleResult,
    Member,
    Single,
)
from hpsearch.store import ensembles
from hpsearch.store.checkpoints import StoredArtifact

pytest_plugins = ["dashboard_fixtures"]


def rest(dashboard: Dashboard, method: str, path: str, **request: Any) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {dashboard.deployment.token}"}
    return httpx2.request(method, f"{dashboard.url}/api/v1{path}", headers=headers, **request)


def listed(dashboard: Dashboard) -> list[Ensemble]:
    found = rest(dashboard, "GET", f"/studies/{dashboard.combined}/ensembles").json()
    return [Ensemble.model_validate(one) for one in found["ensembles"]]


def body(page: Page, ensemble: int) -> Any:
    return page.locator(f"tbody[data-ensemble='{ensemble}']")


def test_the_table_shows_what_rest_tells(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{combined}")
    for one in listed(dashboard)[:2]:
        row = body(page, one.id).locator("> tr").first
        cells = row.locator("td").all_inner_texts()
        own, single = one.test["accuracy"], one.best_single
        assert single is not None
        assert one.calibration is not None
        interval = one.intervals["accuracy"]
        assert cells[0].split() == [str(len(one.members)), "of", str(one.candidates)]
        assert one.mean_member is not None
        each = [
            [f"mean member {formatting.fixed(scores['accuracy'])}"] * (len(one.members) > 1)
            for scores in (one.mean_member.validation, one.mean_member.test)
        ]
        assert cells[1].split("\n") == [formatting.fixed(one.validation["accuracy"]), *each[0]]
        assert cells[2].split("\n") == [
            formatting.fixed(own),
            f"{formatting.fixed(interval.low)} to {formatting.fixed(interval.high)}",
            *each[1],
        ]
        assert formatting.signed_fixed(own - single.test["accuracy"]) in cells[3]
        assert formatting.signed_fixed(single.test["loss"] - one.test["loss"]) in cells[4]
        assert cells[5] == formatting.percent(one.disagreement or 0.0)
        before, after = one.calibration.ece, one.calibration.ece_scaled
        assert cells[6].startswith(f"{formatting.fixed(before)} → {formatting.fixed(after)}")
        assert formatting.size(one.size_bytes or 0) in cells[7]
        body(page, one.id).locator("summary").click()
        members = body(page, one.id).locator(".members tbody tr")
        expect(members).to_have_count(len(one.members))
        heaviest = max(one.members, key=lambda member: member.weight)
        expect(members.first).to_contain_text(formatting.percent(heaviest.weight))
        expect(members.first.get_by_role("link")).to_have_text(f"#{heaviest.trial}")
    best = dashboard.client.study(dashboard.combined).best_trial
    assert best is not None
    expect(page.locator("tbody.single th")).to_contain_text(f"Best single trial #{best.number}")
    record = dashboard.client.study(dashboard.combined).record
    expect(page.locator("[data-live=checkpoints]")).to_have_text(str(record.checkpoints))
    expect(page.locator("[data-live=checkpoint_bytes]")).to_have_text(
        formatting.size(record.checkpoint_bytes)
    )


def test_one_that_is_asked_for_appears_is_built_and_can_be_deleted(
    page: Page, dashboard: Dashboard
) -> None:
    visit(page, dashboard, "/studies/{combined}")
    count = len(listed(dashboard))
    page.locator("#ensembles summary").first.click()
    page.locator("#build [name=kind]").select_option("snapshots")
    expect(page.locator("#kind-says")).to_contain_text("Epochs of one trial")
    page.locator("#build [name=size]").fill("2")
    page.locator("#build [name=trial]").fill("1")
    page.get_by_role("button", name="Build").click()
    expect(page.locator("#ensembles tbody[data-ensemble]")).to_have_count(count + 1)
    new = listed(dashboard)[-1]
    assert (new.kind, new.size, new.request["trial"]) == ("snapshots", 2, 1)
    row = body(page, new.id)
    expect(row.get_by_role("link", name="Download")).to_be_visible()
    assert {member.trial for member in listed(dashboard)[-1].members} == {1}
    expect(page.locator("[data-live=ensembles]")).to_have_text(str(count + 1))
    expect(page.locator("#ensembles details").first).to_have_attribute("open", "")
    expect(page.locator("#log")).to_contain_text(f"ensemble {new.id} (snapshots)")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name=f"Delete ensemble {new.id}?")).to_be_visible()
    page.locator("dialog[open] button[value=yes]").click()
    expect(row).to_have_count(0)
    assert len(listed(dashboard)) == count


def test_a_refusal_is_said_beside_the_form(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{combined}")
    page.locator("#build [name=kind]").select_option("soup_greedy")
    expect(page.locator("#build [name=combine]")).to_be_hidden()
    page.get_by_role("button", name="Build").click()
    asked = {"kind": "soup_greedy"}
    refused = rest(dashboard, "POST", f"/studies/{dashboard.combined}/ensembles", json=asked)
    assert refused.status_code == 422
    expect(page.locator("#build-says")).to_have_text(refused.json()["detail"])
    dashboard.faults[:] = [fault for fault in dashboard.faults if "422" not in fault]


def test_the_download_is_the_file_of_the_record(
    page: Page, dashboard: Dashboard, tmp_path: Path
) -> None:
    visit(page, dashboard, "/studies/{combined}")
    one = listed(dashboard)[0]
    with page.expect_download() as download:
        body(page, one.id).get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "ensemble.zip")
    content = (tmp_path / "ensemble.zip").read_bytes()
    assert (sha256(content).hexdigest(), len(content)) == (one.sha256, one.size_bytes)
    assert download.value.suggested_filename.endswith(".zip")


def test_a_checkpoint_says_why_it_is_kept_and_can_be_pinned(
    page: Page, dashboard: Dashboard
) -> None:
    best = dashboard.client.study(dashboard.combined).best_trial
    assert best is not None
    visit(page, dashboard, f"/studies/{dashboard.combined}/trials/{best.number}")
    row = page.locator("#checkpoints tr", has=page.get_by_text("best", exact=True))
    expect(row).to_contain_text("in an ensemble")
    path = row.get_by_role("link").get_attribute("href") or ""
    path = path.removeprefix("/api/v1").removesuffix("/artifact")
    checkpoint = rest(dashboard, "GET", path).json()
    expect(row).to_contain_text(
        formatting.size(checkpoint["size_bytes"] + checkpoint["predictions_bytes"])
    )
    for name, is_pinned in (("Pin", True), ("Unpin", False)):
        row.get_by_role("button", name=re.compile(f"^{name} the checkpoint")).click()
        expect(row.get_by_text("pinned")).to_be_visible(visible=is_pinned)
        assert rest(dashboard, "GET", path).json()["pinned"] is is_pinned


def test_unfolded_text_keeps_to_its_place(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{combined}")
    page.evaluate(
        "document.querySelectorAll('#ensembles details').forEach((d) => { d.open = true })"
    )
    assert_text_keeps_to_its_place(page)


# Without a browser


@pytest.fixture
def known(sqlite_api: TestClient) -> TestClient:
    """A browser that has shown the token."""
    del sqlite_api.headers["Authorization"]
    sqlite_api.get("/", params={"token": TOKEN})
    return sqlite_api


@pytest.fixture
def rig_of(sqlite_api: TestClient) -> Rig:
    services: Any = sqlite_api.app.state.services  # type: ignore[attr-defined]
    return Rig(services.database, services.tuner)


def result(count: int) -> EnsembleResult:
    return EnsembleResult(
        members=[Member(trial=0, epoch=one, weight=1 / count) for one in range(count)],
        validation={"accuracy": 0.75, "loss": 0.5},
        test={"accuracy": 0.5, "loss": 0.75},
        best_single=Single(trial=0, epoch=1, validation={"accuracy": 0.25, "loss": 1.0}),
        mean_member=Scores(validation={}),
        warnings=[f"{HOSTILE} is left out", *["damaged"] * 11],
    )


def test_each_state_says_how_far_it_is(known: TestClient, rig_of: Rig) -> None:
    study = rig_of.submit()
    greedy = GreedyEnsemble(kind="greedy")

    def fill(session: Session) -> None:
        def new() -> int:
            return ensembles.create(session, study, greedy, automatic=False)

        done, failed, running = new(), new(), new()
        ensembles.create(session, study, ReinitEnsemble(kind="reinit"), automatic=False)
        for one in (done, running):
            ensembles.start(session, one)
        count = MOST_MEMBERS_SHOWN + 5
        ensembles.finish(session, done, result(count), StoredArtifact("key", 2048, "0" * 64))
        ensembles.fail(session, failed, f"nothing is whole: {HOSTILE}")
        progress = BuildProgress(done=120, total=2000, what="reading predictions")
        ensembles.set_progress(session, running, progress)

    rig_of.do(fill)
    text = known.get(f"/studies/{study}/ensembles").text
    assert "reading predictions 120 of 2,000" in text
    assert '<progress max="2000" value="120"' in text
    assert "waits for its trials, then for a worker" in text
    assert "nothing is whole: &lt;img" in text
    assert "<img" not in text
    assert "and 2 more</li>" in text
    assert "and 5 more that weigh 20 % together" in text
    assert 'data-count="4" data-open="2"' in text
    assert known.get(f"/studies/{study}").text.count("reading predictions 120") == 1


def test_only_the_newest_are_shown(known: TestClient, rig_of: Rig) -> None:
    study, asked = rig_of.submit(), TopKEnsemble(kind="top_k")
    rig_of.do(
        lambda session: [
            ensembles.create(session, study, asked, automatic=False) for _ in range(MOST_SHOWN + 3)
        ]
    )
    text = known.get(f"/studies/{study}/ensembles").text
    assert "3 older ones are not shown" in text
    assert text.count("data-ensemble=") == MOST_SHOWN


def test_a_study_with_nothing_to_combine_hides_the_card(known: TestClient, rig_of: Rig) -> None:
    study = rig_of.submit()
    card = re.compile(r'<section class="card" id="ensembles"[^>]*hidden')
    assert card.search(known.get(f"/studies/{study}").text)
    (job,) = rig_of.lease(rig_of.join())
    rig_of.report(job, 0)
    rig_of.complete(job)
    assert not card.search(known.get(f"/studies/{study}").text)
    assert known.get("/studies/99/ensembles").status_code == 404


@pytest.mark.parametrize(
    ("task", "combines", "metric"),
    [
        ({"dataset": "wine"}, ["mean", "weighted", "vote"], "val_accuracy"),
        ({"dataset": "diabetes"}, ["mean", "weighted", "median"], "val_mae"),
    ],
)
def test_the_form_offers_what_fits_the_target(
    rig_of: Rig, task: dict[str, Any], combines: list[str], metric: str
) -> None:
    found = rig_of.do(lambda session: choices(session, parse_study(small(task=task))))
    assert found is not None
    assert list(found.combines) == combines
    assert metric in found.metrics
    assert all(kind.summary.endswith(".") for kind in found.kinds)


def test_an_external_task_has_no_ensembles(rig_of: Rig) -> None:
    spec = parse_study(small(task={"kind": "external"}))
    assert rig_of.do(lambda session: choices(session, spec)) is None


def ensemble(**found: Any) -> Ensemble:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    plain = {
        "id": 1, "study_id": 1, "kind": "greedy", "size": 10, "combine": "mean", "metric": None,
        "request": {}, "automatic": False, "state": EnsembleState.COMPLETE, "progress": None,
        "message": None, "size_bytes": 1, "sha256": "0" * 64, "created_at": at, "started_at": at,
        "finished_at": at,
    }  # fmt: skip
    return Ensemble.model_validate({**plain, **found})


def test_the_newest_headline_is_the_table_s_and_worse_ones_come_first() -> None:
    def of(
        number: int, auc: float, interval: tuple[float, float], headline: str = "auc"
    ) -> Ensemble:
        return ensemble(
            id=number, headline=headline, validation={"accuracy": 0.9, "auc": auc},
            test={"accuracy": 0.9, "auc": auc},
            best_single=Single(trial=3, epoch=0, validation={}, test={"accuracy": 0.9, "auc": 0.7}),
            intervals={"auc_gain": Range(low=interval[0], high=interval[1])},
        )  # fmt: skip

    rows = [
        row_of(one, "auc")
        for one in (
            of(1, 0.6, (-0.2, -0.05)), of(2, 0.8, (0.05, 0.2)), of(3, 0.7, (-0.1, 0.1), "accuracy"),
        )
    ]  # fmt: skip
    found = Comparison(rows, 0, "auc", None)
    assert [row.ensemble.id for row in found.heads] == [1, 3, 2]
    assert (found.worse, found.is_share, found.has_classes) == (1, True, True)
    labels = [row.gain.label for row in rows if row.gain is not None]
    assert labels == ["worse", "better", "no better beyond chance"]


def test_the_page_says_worse_at_its_head_by_the_study_s_objective(
    known: TestClient, rig_of: Rig
) -> None:
    study = rig_of.submit()
    scores = {"accuracy": 0.875, "auc": 0.625, "loss": 0.5}
    alone = {"accuracy": 0.75, "auc": 0.75, "loss": 0.5}
    worse = result(2).model_copy(
        update={
            "headline": "auc", "chosen_by": "val_auc", "validation": scores, "test": scores,
            "best_single": Single(trial=4, epoch=0, validation=alone, test=alone),
            "intervals": {"auc_gain": Range(low=-0.25, high=-0.0625)}, "warnings": [],
        }
    )  # fmt: skip

    def fill(session: Session) -> None:
        greedy = GreedyEnsemble(kind="greedy")
        number = ensembles.create(session, study, greedy, automatic=False)
        ensembles.start(session, number)
        ensembles.finish(session, number, worse, StoredArtifact("key", 2048, "0" * 64))

    rig_of.do(fill)
    table = " ".join(known.get(f"/studies/{study}/ensembles").text.split())
    head = table[: table.index("<table")]
    assert "<strong>worse than the best single trial</strong>" in head
    assert "Test auc 0.6250" in head
    assert "alone 0.7500: gain −0.1250 (95 % interval −0.2500 to −0.0625, beyond chance)" in head
    assert '<li class="worse">' in head
    assert 'data-worse="1" data-score="auc"' in table
    assert "Validation auc" in table
    assert "chosen by val_auc" in table
    page = " ".join(known.get(f"/studies/{study}").text.split())
    assert "1 worse by auc" in page


def test_numbers_are_compared_in_the_direction_of_their_metric() -> None:
    one = ensemble(
        headline="rmse",
        validation={"loss": 4.0, "rmse": 2.0},
        test={"loss": 4.0, "rmse": 2.0},
        best_single=Single(trial=0, epoch=0, validation={}, test={"rmse": 2.5}),
        intervals={"rmse": Range(low=1.5, high=2.25), "rmse_gain": Range(low=0.25, high=0.75)},
    )
    row = row_of(one, "rmse")
    assert row.range_on_test == Range(low=1.5, high=2.25)
    assert row.gain is not None
    assert (row.gain.gain, row.gain.verdict) == (0.5, "better")
    assert row.loss_gain is None
