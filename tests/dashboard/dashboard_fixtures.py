"""A service with something to see, and a Chromium that has shown it the token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dashboard_studies import ASKED, COMBINED, HOSTILE, SPEC, STAGED, TWO_GOALS, Dashboard
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from running import running

from benchmarks.browser import chromium
from hpsearch.client.client import Client

PATIENCE = 30_000
"""Milliseconds: server, worker, browser and other tests may share two cores."""


@pytest.fixture(scope="session")
def dashboard() -> Iterator[Dashboard]:
    with running() as deployment, Client(deployment.url, deployment.token) as client:
        submitted = [client.submit(spec) for spec in (SPEC, STAGED, TWO_GOALS, COMBINED)]
        complete, staged, two_goals, combined = (study.wait(120).id for study in submitted)
        waiting = client.submit(
            {**ASKED, "name": HOSTILE, "notes": HOSTILE, "tags": [HOSTILE[:90]]}
        )
        waiting.pause()
        yield Dashboard(deployment, client, complete, waiting.id, staged, two_goals, combined)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as opened:
        yield opened


@pytest.fixture
def context(browser: Browser, dashboard: Dashboard) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1400, "height": 1000})
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, dashboard: Dashboard) -> Iterator[Page]:
    """A page that is let in; whatever it complains of fails the test at its end."""
    opened = context.new_page()
    faults: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(message.text)

    opened.on("console", heard)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((dashboard.url, "data:", "blob:"))
            else faults.append(f"a request to {request.url}")
        ),
    )
    opened.goto(f"{dashboard.url}/?token={dashboard.deployment.token}")
    dashboard.faults = faults
    yield opened
    assert not faults
