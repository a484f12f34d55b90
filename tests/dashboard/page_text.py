"""Finds text in a page that runs out of its box, out of the window, or over other text."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

_SCRIPT = Path(__file__).with_name("page_text.js").read_text()


def text_faults(page: Page) -> list[str]:
    """What is wrong with the page's text at its present size; nothing, one hopes."""
    faults: list[str] = page.evaluate(_SCRIPT)
    return faults
