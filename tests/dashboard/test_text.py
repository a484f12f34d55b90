"""Text keeps to its place and stands out, on every page, in both themes, wide and narrow."""

from __future__ import annotations

import pytest
from dashboard_studies import Dashboard, visit
from page_text import assert_text_keeps_to_its_place, text_faults
from playwright.sync_api import Page

pytest_plugins = ["dashboard_fixtures"]

PAGES = {
    "studies": "/studies",
    "no study in that state": "/studies?state=failed",
    "study": "/studies/{complete}",
    "study seen otherwise": "/studies/{complete}?metric=val_loss&log=xy&top=50&x=value&sort=number",
    "stages": "/studies/{staged}",
    "two objectives": "/studies/{two_goals}",
    "study that waits": "/studies/{waiting}",
    "no trial matches": "/studies/{complete}?filter=value > 2",
    "wrong filter": "/studies/{complete}?filter=value is high",
    "trial": "/studies/{complete}/trials/0",
    "new study": "/studies/new",
    "workers": "/workers",
    "reference": "/docs",
    "missing": "/studies/4711",
    "sign in": "/login?wrong=1",
}


def test_no_text_overflows_or_overlaps(page: Page, dashboard: Dashboard) -> None:
    for address in PAGES.values():
        page.set_viewport_size({"width": 400, "height": 900})
        visit(page, dashboard, address)
        assert_text_keeps_to_its_place(page)
    dashboard.faults[:] = [fault for fault in dashboard.faults if "404" not in fault]


def test_text_faults_are_found(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies")
    page.evaluate(
        """() => {
            const p = document.createElement('p');
            p.textContent = 'over the heading';
            p.style = 'position: absolute; top: 0; left: 0';
            document.querySelector('h1').style.position = 'relative';
            document.querySelector('h1').append(p);
            document.querySelector('.button').style = 'position: absolute; left: 2000px';
        }"""
    )
    faults = " ".join(text_faults(page, within=0))
    assert "lies over" in faults
    assert "leaves the window" in faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(page: Page, dashboard: Dashboard, scheme: str) -> None:
    """WCAG 2.2: a contrast of 4.5 for text (the tokens of the sheet, each on each surface)."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    visit(page, dashboard, "/studies")
    ratios = page.evaluate(
        """() => {
            const style = getComputedStyle(document.documentElement);
            const light = (name) => {
                const probe = document.createElement('i');
                probe.style.color = style.getPropertyValue(name);
                document.body.append(probe);
                const rgb = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3);
                probe.remove();
                const [r, g, b] = rgb.map((v) => v / 255)
                    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ratio = (a, b) => {
                const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
                return (bright + 0.05) / (dark + 0.05);
            };
            const found = {};
            for (const text of ['--text', '--muted', '--link', '--best-text', '--bad'])
                for (const surface of ['--bg', '--card', '--row'])
                    found[`${text} on ${surface}`] = ratio(text, surface);
            found['--on-main on --main'] = ratio('--on-main', '--main');
            return found;
        }"""
    )
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}
