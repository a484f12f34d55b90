"""The study page on 10,000 trials × 100 epochs: `python -m benchmarks.dashboard`.

Prints first paint, when all first-screen figures are drawn, each interaction's time until the page
has painted its answer, and the tab's memory; exits with 1 when one is over its limit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from playwright.sync_api import Page

from api.app import make_services
from benchmarks.browser import chromium, drawn
from benchmarks.seed import seed
from hpsearch.processes.local_server import LocalDeployment
from hpsearch.settings import Settings

FIRST_PAINT_SECONDS = 2.0
FIGURES_SECONDS = 4.0
INTERACTION_SECONDS = 0.1
MEMORY_MEGABYTES = 300.0
REPEATS = 7

_PAINTED = "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"


def main() -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="one that benchmarks.seed has filled")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_STATE_HOME"] = home
        data_dir = options.data_dir
        if data_dir is None:
            data_dir = Path(home) / "data"
            services = make_services(Settings(data_dir=data_dir))
            seed(services, options.trials, options.epochs)
            services.database.close()
        with LocalDeployment("127.0.0.1", 0, 0, data_dir) as deployment, chromium() as browser:
            page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
            page.goto(f"{deployment.url}/?token={deployment.token}")
            results = measure(page, f"{deployment.url}/studies/1")
    for name, (value, limit, unit) in results.items():
        print(f"{name:34s} {value:8.2f} {unit:3s} (limit {limit:g})")
    return int(any(value > limit for value, limit, _ in results.values()))


def measure(page: Page, address: str) -> dict[str, tuple[float, float, str]]:
    """(value, limit, unit) by what was measured."""
    moved = [0]
    page.on(
        "response",
        lambda r: moved.__setitem__(0, moved[0] + int(r.headers.get("content-length", 0))),
    )
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    drawn(page, 60)
    figures = time.perf_counter() - start
    paint = page.evaluate(
        "() => performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
    )
    results = {
        "first paint": (paint, FIRST_PAINT_SECONDS, "s"),
        "all figures drawn": (figures, FIGURES_SECONDS, "s"),
        "bytes moved": (moved[0] / 1e6, 10.0, "MB"),
    }
    for name, act in interactions(page).items():
        results[name] = (statistics.median(act() for _ in range(REPEATS)), INTERACTION_SECONDS, "s")
    results["tab memory"] = (tab_megabytes(page), MEMORY_MEGABYTES, "MB")
    return results


def tab_megabytes(page: Page) -> float:
    """What the largest renderer process has to itself: heap, DOM, canvases, compiled code."""
    browser = page.context.browser
    assert browser is not None
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [process["id"] for process in processes if process["type"] == "renderer"]
    return float(max(psutil.Process(pid).memory_full_info().uss for pid in renderers)) / 1e6


def interactions(page: Page) -> dict[str, Callable[[], float]]:
    """What a person does, each as a function that does it once and returns its seconds."""
    metrics = iter(
        ["val_loss", "train_loss", "train_accuracy", "grad_norm", "seconds", "val_accuracy", "lr"]
    )
    tops = iter(["50", "10", "100", "5", "20", "100", "50"])
    ups = iter(["value", "optimizer.weight_decay"] * REPEATS)
    filters = iter(f"value > 0.{digit}" for digit in range(90, 99))
    return {
        "curves of another metric": lambda: _figure(page, "curves", "metric", next(metrics)),
        "more or fewer curves": lambda: _figure(page, "curves", "top", next(tops)),
        "another axis of the space": lambda: _figure(page, "scatter", "y", next(ups)),
        "sort by learning rate": lambda: _table(page, "th:has-text('optimizer.lr') a"),
        "next page of trials": lambda: _table(page, "a[rel=next]"),
        "filter by value": lambda: _filter(page, next(filters)),
        "hover over a curve": lambda: _hover(page),
    }


def _figure(page: Page, figure: str, control: str, value: str) -> float:
    """From a choice to the figure drawn and painted, by the page's own clock."""
    seconds: float = page.evaluate(
        """async ([figure, control, value]) => {
            const element = document.querySelector(`[data-figure="${figure}"]`);
            const select = document.querySelector(`[data-view="${control}"]`);
            const option = [...select.options].find((o) => o.text === value || o.value === value);
            const done = new Promise((resolve) => {
                new MutationObserver((_, watcher) => { watcher.disconnect(); resolve(); })
                    .observe(element, { attributes: true, attributeFilter: ['data-drawn'] });
            });
            const start = performance.now();
            select.value = option.value;
            select.dispatchEvent(new Event('change', { bubbles: true }));
            await done;
            await new Promise((r) => requestAnimationFrame(() => setTimeout(r)));
            return (performance.now() - start) / 1000;
        }""",
        [figure, control, value],
    )
    return seconds


_TABLE = """async (act) => {
    const table = document.getElementById('table');
    const done = new Promise((resolve) => {
        new MutationObserver((_, watcher) => { watcher.disconnect(); resolve(); })
            .observe(table, { childList: true });
    });
    const start = performance.now();
    (%s)(act);
    await done;
    await new Promise((r) => requestAnimationFrame(() => setTimeout(r)));
    return (performance.now() - start) / 1000;
}"""


def _table(page: Page, link: str) -> float:
    page.locator(f"#table {link}").first.evaluate("e => { window.link = e }")
    seconds: float = page.evaluate(_TABLE % "() => window.link.click()", "")
    return seconds


def _filter(page: Page, text: str) -> float:
    act = """(text) => {
        const form = document.getElementById('filter');
        form.filter.value = text;
        form.requestSubmit();
    }"""
    seconds: float = page.evaluate(_TABLE % act, text)
    return seconds


def _hover(page: Page) -> float:
    x, y = page.evaluate(
        """() => {
            const figure = document.querySelector('[data-figure=curves]');
            figure.scrollIntoView({ block: 'center' });
            const { xaxis, yaxis } = figure._fullLayout;
            const line = figure.data.at(-1);
            const middle = Math.floor(line.x.length / 2);
            const box = figure.getBoundingClientRect();
            return [box.x + xaxis._offset + xaxis.d2p(line.x[middle]),
                    box.y + yaxis._offset + yaxis.d2p(line.y[middle])];
        }"""
    )
    page.mouse.move(x, y + 300)
    page.wait_for_timeout(200)
    start = time.perf_counter()
    page.mouse.move(x, y)
    page.wait_for_function("() => document.querySelector('[data-figure=curves] .hoverlayer text')")
    page.evaluate(_PAINTED)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
