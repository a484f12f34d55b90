"""Finds text in a page that runs out of its box, out of the window, or over other text."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Page

_SCRIPT = Path(__file__).with_name("page_text.js").read_text()


def text_faults(page: Page, within: float = 10) -> list[str]:
    """What is wrong with the page's text at its present size; nothing, one hopes.

    Charts draw themselves anew some time after a change of size, so what is wrong counts
    when it is still there `within` so many seconds.
    """
    until = time.monotonic() + within
    while True:
        faults: list[str] = page.evaluate(_SCRIPT)
        if not faults or time.monotonic() > until:
            return faults
        page.wait_for_timeout(50)


def assert_text_keeps_to_its_place(page: Page) -> None:
    """Nothing is wrong with it, wide and narrow, in both themes."""
    for width in (400, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.wait_for_timeout(150)
            assert text_faults(page) == [], f"{page.url}, {width} px wide, {scheme}"
