"""A Chromium that asks nobody anything, for benchmarks, screenshots and tests of the dashboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-extensions", "--enable-precise-memory-info",
)  # fmt: skip


def chromium_path() -> str:
    """Where the system's Chromium is.

    Raises:
        RuntimeError: when there is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise RuntimeError("a Chromium must be installed to drive the dashboard; apt install chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


def drawn(page: Page, seconds: float = 15.0) -> None:
    """Waits until every figure in the page is drawn, or says why it is not."""
    page.wait_for_function(
        """() => [...document.querySelectorAll('.figure')].filter((e) => !e.closest('[hidden]'))
            .every((e) => e.dataset.drawn || e.querySelector('.hint'))""",
        timeout=seconds * 1000,
    )
