"""What the kinds of ensembles select their members with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from hpsearch.ensemble_builder.candidates import Candidates
from hpsearch.spec.study import StudySpec

ReportProgress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what is being done; what it raises ends the build."""

REPORTS = 100
"""Reports of a long loop, about."""


@dataclass(frozen=True)
class BuildContext:
    """The study, its candidates, and the means to work with them."""

    study: StudySpec
    candidates: Candidates
    device: torch.device | str
    """Where weights are put to work."""
    report_progress: ReportProgress
    metric: str = "val_loss"
    """What chooses members where the request names nothing: the study's objective, where
    predictions show it."""

    def report_step(self, done: int, total: int, what: str) -> None:
        """Reports some steps of a loop: about `REPORTS`, evenly spaced."""
        if done % max(1, total // REPORTS) == 0:
            self.report_progress(done, total, what)
