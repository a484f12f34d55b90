from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from rig import Rig

API = "/api/v1"
ACCURACIES: list[float | None] = [0.5, None, 0.9, 0.5, 0.7, None, 0.9, 0.5, None, 0.1]


@pytest.fixture
def study(served: Rig) -> int:
    """Ten trials; values with ties and gaps, and as many epochs as the number's last digit in 3."""
    study = served.submit(search={"trials": len(ACCURACIES)})
    for job, accuracy in zip(served.lease(served.join(), 10), ACCURACIES, strict=True):
        if accuracy is not None:
            served.report(job, *range(1 + job.trial % 3), val_accuracy=accuracy)
        if job.trial % 2:
            served.complete(job)
    return study


def _pages(api: TestClient, url: str, field: str, size: int, **query: Any) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        params = {"page_size": size, **query, **({"page_token": token} if token else {})}
        answer = api.get(url, params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page[field]) <= size
        found += page[field]
        token = page["next_page_token"]
        if token is None:
            return found


def _expected(sort: str) -> list[int]:
    values: dict[str, list[Any]] = {
        "number": list(range(10)),
        "value": ACCURACIES,
        "epochs_done": [0 if a is None else 1 + n % 3 for n, a in enumerate(ACCURACIES)],
    }
    column = values[sort.removeprefix("-")]
    sign = -1 if sort.startswith("-") else 1
    some = [n for n in range(10) if column[n] is not None]
    return sorted(some, key=lambda n: (sign * column[n], n)) + [
        n for n in range(10) if column[n] is None
    ]


@pytest.mark.parametrize(
    "sort", ["number", "-number", "value", "-value", "epochs_done", "-epochs_done"]
)
def test_every_order_at_every_page_size(api: TestClient, study: int, sort: str) -> None:
    url = f"{API}/studies/{study}/trials"
    for size in (1, 2, 3, 7, 10, 1000):
        found = [trial["number"] for trial in _pages(api, url, "trials", size, sort=sort)]
        assert found == _expected(sort), f"{size} a page"


def test_filters_hold_on_every_page(api: TestClient, study: int) -> None:
    url = f"{API}/studies/{study}/trials"
    for state, numbers in (("complete", [1, 3, 5, 7, 9]), ("running", [0, 2, 4, 6, 8])):
        found = _pages(api, url, "trials", 2, state=state)
        assert [trial["number"] for trial in found] == numbers
    assert _pages(api, url, "trials", 2, stage=1) == []


def test_trials_that_come_meanwhile_disturb_no_page(api: TestClient, served: Rig) -> None:
    study = served.submit(search={"trials": 8})
    worker = served.join()
    served.lease(worker, 4)
    url = f"{API}/studies/{study}/trials"
    first = api.get(url, params={"page_size": 3}).json()
    served.lease(worker, 4)
    rest = _pages(api, url, "trials", 3, page_token=first["next_page_token"])
    assert [t["number"] for t in first["trials"]] == [0, 1, 2]
    assert [t["number"] for t in rest][:5] == [3, 4, 5, 6, 7]


def test_studies_come_newest_first(api: TestClient, served: Rig) -> None:
    for _ in range(5):
        served.submit()
    api.post(f"{API}/studies/2:stop")
    found = _pages(api, f"{API}/studies", "studies", 2)
    assert [study["id"] for study in found] == [5, 4, 3, 2, 1]
    stopped = _pages(api, f"{API}/studies", "studies", 2, state="stopped")
    assert [study["id"] for study in stopped] == [2]


def test_events_come_oldest_first(api: TestClient, served: Rig) -> None:
    study = served.submit()
    url = f"{API}/studies/{study}"
    for verb in ("pause", "resume", "pause", "resume", "stop"):
        api.post(f"{url}:{verb}")
    found = _pages(api, f"{url}/events", "events", 2)
    assert [event["id"] for event in found] == sorted(event["id"] for event in found)
    assert [event["data"].get("after") for event in found] == [
        None, "paused", "queued", "paused", "queued", "stopped",
    ]  # fmt: skip


def test_lists_of_no_study_are_not_found(api: TestClient) -> None:
    for noun in ("trials", "events", "curves?metric=val_loss", "trials/0", "trials/0/checkpoints"):
        assert api.get(f"{API}/studies/9/{noun}").status_code == 404
