"""The table of trials on a study's page, as the page's address asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import Objective, parse_study
from hpsearch.spec.wire.filters import parse_filter
from hpsearch.spec.wire.records import Trial
from hpsearch.store import ranking, studies, trial_table

PAGE_SIZE = 25
LAST_PAGE = 1_000_000


@dataclass(frozen=True)
class TrialsTable:
    """A page of a study's trials, and what the page around it says."""

    study_id: int
    study_state: StudyState
    objective: Objective
    objective_label: str
    """What the objective's metric is called."""
    columns: Sequence[str]
    """The names of the study's parameters."""
    best_number: int | None
    """The study's best trial."""
    address: Mapping[str, str]
    """The query parameters of the page."""
    request: trial_table.Request
    """What is shown: what the address asks for, or where that is wrong, all trials."""
    filter_error: str
    """What is wrong with the address; empty where nothing is."""
    trials: Sequence[Trial]
    matching: int
    """Trials on all pages together."""

    @property
    def filter_text(self) -> str:
        """The filter as a person wrote it."""
        return self.address.get("filter", "")

    @property
    def state(self) -> str:
        """The state as the address names it."""
        return self.address.get("state", "")

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return -(-self.matching // PAGE_SIZE)


def read_trials_table(session: Session, study_id: int, address: Mapping[str, str]) -> TrialsTable:
    """The page of trials that an address asks for.

    Raises:
        NotFound: when there is no such study.
    """
    row = studies.row_of(session, study_id)
    spec = parse_study(row.spec)
    space = search_space(spec)
    objective = spec.objectives[0]
    best = ranking.best_trial(session, study_id, spec)
    error = ""
    try:
        request = _request(address, objective)
        trial_table.check(space, request)
    except InvalidInput as wrong:
        error = str(wrong)
        request = trial_table.Request(sort=objective.best_first, size=PAGE_SIZE)
    table = trial_table.read(session, study_id, space, request)
    reported = next((trial.metrics for trial in table.trials if trial.metrics), {})
    return TrialsTable(
        study_id=study_id,
        study_state=StudyState(row.state),
        objective=objective,
        objective_label=spec.curve_label(objective.metric, reported),
        columns=[parameter.name for parameter in space.parameters],
        best_number=None if best is None else best.number,
        address=address,
        request=request,
        filter_error=error,
        trials=table.trials,
        matching=table.matching,
    )


def _request(address: Mapping[str, str], objective: Objective) -> trial_table.Request:
    """What an address asks for; an unknown state or page counts as none.

    Raises:
        InvalidInput: for a filter that cannot be read.
    """
    state, page = address.get("state", ""), address.get("page", "")
    number = int(page) if page.isdecimal() else 1
    return trial_table.Request(
        sort=address.get("sort", objective.best_first),
        state=TrialState(state) if state in set(TrialState) else None,
        conditions=tuple(parse_filter(address.get("filter", ""))),
        page=min(max(number, 1), LAST_PAGE),
        size=PAGE_SIZE,
    )
