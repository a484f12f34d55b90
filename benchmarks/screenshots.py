"""Pictures of every page, light and dark, wide and narrow: `python -m benchmarks.screenshots DIR`.

Runs a server and a worker in a temporary directory, submits studies in several states, and writes
`<page>-<theme>-<width>.png`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

from benchmarks.browser import chromium, drawn
from hpsearch.client.client import Client
from hpsearch.example_files import example
from hpsearch.processes.local_server import LocalDeployment

WIDTHS = (1400, 400)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
HOSTILE = "<img src=x onerror=document.title='broken'> & “a very long name” " + "x" * 60
COMBINED = {
    "name": "digits, combined",
    "task": {"dataset": "digits"},
    "optimizer": {"kind": "adam", "lr": {"log_uniform": [1e-4, 0.1]}},
    "schedule": {"kind": "cosine_restarts", "first_period": 3},
    "training": {"epochs": 9, "init_seed": "shared", "ema": {}},
    "search": {"kind": "random", "trials": 12},
    "ensemble": ["greedy", {"kind": "top_k", "combine": "vote"}, "snapshots", "ema", "soup_greedy"],
}


def main(directory: Path) -> None:
    """Writes the pictures into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_STATE_HOME"] = home
        with LocalDeployment("127.0.0.1", 0, 1, Path(home) / "data") as deployment:
            take(deployment, directory)


def take(deployment: LocalDeployment, directory: Path) -> None:
    """Pictures of a server with something to see."""
    with chromium() as browser:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{deployment.url}/?token={deployment.token}")
        picture(page, "empty", f"{deployment.url}/studies", directory)
        for name, address in submit(deployment).items():
            picture(page, name, deployment.url + address, directory)
        stranger = browser.new_context().new_page()
        picture(stranger, "login", f"{deployment.url}/studies", directory)


def picture(page: Page, name: str, address: str, directory: Path) -> None:
    """A page in both themes and both widths."""
    for theme in THEMES:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=theme)
            page.goto(address)
            drawn(page)
            page.wait_for_timeout(300)
            path = directory / f"{name}-{theme}-{width}.png"
            page.screenshot(path=path, full_page=True)
            print(path)


def submit(deployment: LocalDeployment) -> dict[str, str]:
    """Studies of every kind; the addresses of their pages by name."""
    with Client(deployment.url, deployment.token) as client:
        client.submit(example("digits.yaml")).wait(120)
        staged = client.submit(example("coarse_to_fine.yaml")).wait(120)
        schedules = client.submit(example("schedules.yaml")).wait(120)
        combined = client.submit(COMBINED).wait(120)
        spec = {
            "name": HOSTILE,
            "task": {"dataset": "digits"},
            "optimizer": {"kind": "adam", "lr": {"log_uniform": [1e-5, 1.0]}},
            "search": {"kind": "random", "trials": 4},
        }
        waiting = client.submit({**spec, "search": {"kind": "random", "trials": 1000}})
        waiting.pause()
        best = schedules.refresh().record.best_trial
    return {
        "studies": "/studies",
        "study": "/studies/1",
        "choices": f"/studies/{schedules.id}?metric=val_loss&log=y&top=50",
        "stages": f"/studies/{staged.id}",
        "ensembles": f"/studies/{combined.id}",
        "checkpoints": f"/studies/{combined.id}/trials/0",
        "waiting": f"/studies/{waiting.id}",
        "trial": f"/studies/{schedules.id}/trials/{best}",
        "new": "/studies/new?like=2",
        "workers": "/workers",
        "docs": "/docs",
        "missing": "/studies/4711",
        "filtered": "/studies/1?filter=value > 2",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
