"""What has changed in studies since the last poll, for pages that update themselves.

A watch remembers what it has sent. Its first poll sends every trial that ended after `since`;
running trials are sent whenever they have made progress.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import TrialState, is_final
from hpsearch.spec.wire.records import Study, Trial
from hpsearch.store import ensembles, jobs, studies, study_records, trials
from hpsearch.store.database import now
from hpsearch.store.tables import StudyRow, TrialRow

MOST_TRIALS = 200
"""Sent at most by one poll; whoever gets as many reads the whole study again."""
MOST_STUDIES = 100
OVERLAP_SECONDS = 5.0
"""The longest that a transaction may take from reading the clock to its commit."""


@dataclass(frozen=True)
class StudyChange:
    """A study, and those of its trials that have changed."""

    at: float
    """The database's clock at the poll."""
    study: Study
    trials: list[Trial]


@dataclass
class StudyWatch:
    """Polls one study."""

    study_id: int
    since: float | None = None
    _study: Study | None = None
    _ensembles_when_idle: int | None = None
    _sent: dict[int, tuple[str, int, int]] = field(default_factory=dict)

    def poll(self, session: Session) -> StudyChange | None:
        """What has changed since the last poll; none where nothing has.

        Raises:
            NotFound: when the study has been deleted.
        """
        idle = self._idle_ensembles(session)
        if idle is not None and idle == self._ensembles_when_idle:
            return None
        self._ensembles_when_idle = idle
        moment = now(session)
        study = study_records.get(session, self.study_id)
        if self._study is not None and _progress(study) == _progress(self._study):
            return None
        self._study = study
        after = (moment if self.since is None else self.since) - OVERLAP_SECONDS
        rows = session.scalars(
            select(TrialRow)
            .where(
                TrialRow.study_id == self.study_id,
                or_(TrialRow.state == TrialState.RUNNING, TrialRow.finished_at > after),
            )
            .order_by(TrialRow.number.desc())
            .limit(MOST_TRIALS)
        ).all()
        changed = [row for row in rows if self._sent.get(row.number) != _progress_of(row)]
        self._sent |= {row.number: _progress_of(row) for row in changed}
        self.since = moment
        return StudyChange(moment, study, trials.records(session, self.study_id, changed))

    def _idle_ensembles(self, session: Session) -> int | None:
        """How many ensembles the study has; none while it is open or has unfinished jobs."""
        if not is_final(studies.get_state(session, self.study_id)):
            return None
        if jobs.count_unfinished(session, self.study_id):
            return None
        return ensembles.counts(session, [self.study_id]).get(self.study_id, 0)


@dataclass
class StudiesWatch:
    """Polls the newest studies."""

    _sent: dict[int, Study] = field(default_factory=dict)

    def poll(self, session: Session) -> list[Study]:
        """Studies that are new or have changed since the last poll."""
        newest = session.execute(
            select(StudyRow.id, StudyRow.state).order_by(StudyRow.id.desc()).limit(MOST_STUDIES)
        ).all()
        candidates = [
            study_id
            for study_id, state in newest
            if (sent := self._sent.get(study_id)) is None
            or sent.state != state
            or state in studies.OPEN
        ]
        found = study_records.of_ids(session, candidates)
        changed = [
            study
            for study in found
            if (sent := self._sent.get(study.id)) is None or _progress(sent) != _progress(study)
        ]
        self._sent |= {study.id: study for study in changed}
        return changed


def _progress(study: Study) -> tuple[object, ...]:
    """What makes a study count as changed."""
    return (
        study.state, study.counts, study.epochs_done, study.best_trial, study.best_value,
        study.ensembles,
    )  # fmt: skip


def _progress_of(row: TrialRow) -> tuple[str, int, int]:
    return (row.state, row.attempt, row.epochs_done)
