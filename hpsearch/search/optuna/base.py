"""What the searches share that Optuna does; it is imported at the first suggestion."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from hpsearch.search.samplers.adaptive import AdaptiveSampler, Params
from hpsearch.search.samplers.base import S
from hpsearch.spec.wire.observation import Observation

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from hpsearch.search.optuna.study_view import OptunaStudyView


class OptunaSampler(AdaptiveSampler[S]):
    """Keeps an Optuna study up to date and asks one of Optuna's samplers."""

    max_steps: ClassVar[int | None] = None
    """Stepped ranges of more values are continuous to the sampler; none for one that never lists
    them."""

    @abstractmethod
    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's sampler with this seed."""

    @cached_property
    def view(self) -> OptunaStudyView:
        """The study as Optuna sees it."""
        from hpsearch.search.optuna.study_view import OptunaStudyView

        return OptunaStudyView(self.space, self.problem.objectives, self.max_steps)

    def reset(self) -> None:
        """Starts an empty study."""
        self.view.reset()

    def learn(self, trial: Observation) -> None:
        """Adds the trial to the study."""
        self.view.add(trial)

    def set_running(self, running: Sequence[Params]) -> None:
        """Adds running trials to the study, in place of those before."""
        self.view.set_running(running)

    def draw(self, seed: int) -> Params:
        """Asks Optuna's sampler."""
        return self.view.ask(self.sampler(seed))
