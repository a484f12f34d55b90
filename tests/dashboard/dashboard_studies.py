"""What a browser finds on the service that tests drive."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import Page

from benchmarks.browser import drawn
from hpsearch.client.client import Client
from hpsearch.example_files import example
from hpsearch.processes.local_server import LocalDeployment
from hpsearch.spec.language.document import read_document

HOSTILE = "<img src=x onerror=document.title='broken'> & “quoted” " + "very-long-" * 9
SPEC = {
    "name": "wine",
    "task": {"dataset": "wine", "model": {"kind": "mlp", "hidden": [8]}},
    "optimizer": {
        "kind": "adamw",
        "lr": {"log_uniform": [1e-4, 1e-1]},
        "weight_decay": {"log_uniform": [1e-6, 1e-1]},
    },
    "training": {"epochs": 4},
    "search": {"kind": "random", "trials": 32},
}

STAGED = read_document(example("coarse_to_fine.yaml").read_bytes())
TWO_GOALS = {
    **SPEC,
    "name": "two objectives",
    "objective": [
        {"metric": "val_accuracy", "direction": "maximize"},
        {"metric": "val_loss", "direction": "minimize"},
    ],
    "search": {"kind": "sobol", "trials": 8},
}
COMBINED = {
    **SPEC,
    "name": "combined",
    "training": {"epochs": 3},
    "search": {"kind": "random", "trials": 4},
    "checkpoints": {"every": 1},
    "ensemble": ["greedy", {"kind": "top_k", "size": 3}],
}
ASKED = {
    "name": "asked",
    "task": {"kind": "external", "params": {"alpha": {"log_uniform": [1e-6, 10.0]}}},
    "objective": {"metric": "val_accuracy", "direction": "maximize"},
    "search": {"trials": 8},
}
"""No worker takes its trials, so it stays as it is however fast they are."""


@dataclass
class Dashboard:
    """A running service, and the ids of studies in it."""

    deployment: LocalDeployment
    client: Client
    complete: int = 0
    """32 trials of wine."""
    waiting: int = 0
    """Paused before its first trial, with a hostile name."""
    staged: int = 0
    """Coarse to fine: the best rate lies past the submitted range."""
    two_goals: int = 0
    """8 trials judged by accuracy and loss."""
    combined: int = 0
    """4 trials, and two ensembles of their checkpoints."""
    faults: list[str] = field(default_factory=list)
    """What any page complained of: a script's error, a refused load, a request to elsewhere."""

    @property
    def url(self) -> str:
        return self.deployment.url


def visit(page: Page, dashboard: Dashboard, address: str) -> None:
    """Opens a page, ids of studies filled in, and waits until its figures are drawn."""
    page.goto(dashboard.url + address.format(**vars(dashboard)))
    drawn(page)
