"""What has changed since one looked last, for those who watch.

A watch remembers what it has told. Its first look tells of everything that ended after `since`;
what runs is told of whenever it moved on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import TrialState, is_final
from hpsearch.spec.wire.records import Study, Trial
from hpsearch.store import ensembles, jobs, studies, trials
from hpsearch.store.database import now
from hpsearch.store.tables import StudyRow, TrialRow

MOST_TRIALS = 200
"""Told in one go; a watcher who sees as many reads the study anew."""
MOST_STUDIES = 100
OVERLAP_SECONDS = 5.0
"""How long a transaction may take from reading the clock to its commit."""


@dataclass(frozen=True)
class StudyChange:
    """A study, and those of its trials that moved on."""

    at: float
    """The database's clock at the look."""
    study: Study
    trials: list[Trial]


@dataclass
class StudyWatch:
    """Looks at one study again and again."""

    study_id: int
    since: float | None = None
    _study: Study | None = None
    _rest: int | None = None
    _told: dict[int, tuple[str, int, int]] = field(default_factory=dict)

    def look(self, session: Session) -> StudyChange | None:
        """What changed since the last look; none where nothing did.

        Raises:
            NotFound: when the study is gone.
        """
        at_rest = self._at_rest(session)
        if at_rest is not None and at_rest == self._rest:
            return None
        self._rest = at_rest
        moment = now(session)
        study = studies.get(session, self.study_id)
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
        moved = [row for row in rows if self._told.get(row.number) != _place(row)]
        self._told |= {row.number: _place(row) for row in moved}
        self.since = moment
        return StudyChange(moment, study, trials.records(session, self.study_id, moved))

    def _at_rest(self, session: Session) -> int | None:
        """How many ensembles a study has that is over and has nothing under way; else none."""
        if not is_final(studies.get_state(session, self.study_id)):
            return None
        if jobs.count_unfinished(session, self.study_id):
            return None
        return ensembles.counts(session, [self.study_id]).get(self.study_id, 0)


@dataclass
class StudiesWatch:
    """Looks at the newest studies again and again."""

    _told: dict[int, Study] = field(default_factory=dict)

    def look(self, session: Session) -> list[Study]:
        """Studies that are new or moved on since the last look."""
        newest = session.execute(
            select(StudyRow.id, StudyRow.state).order_by(StudyRow.id.desc()).limit(MOST_STUDIES)
        ).all()
        unsettled = [
            study_id
            for study_id, state in newest
            if (told := self._told.get(study_id)) is None
            or told.state != state
            or state in studies.OPEN
        ]
        found = studies.of_ids(session, unsettled)
        moved = [
            study
            for study in found
            if (told := self._told.get(study.id)) is None or _progress(told) != _progress(study)
        ]
        self._told |= {study.id: study for study in moved}
        return moved


def _progress(study: Study) -> tuple[object, ...]:
    """What a watcher sees move."""
    return (
        study.state, study.counts, study.epochs_done, study.best_trial, study.best_value,
        study.ensembles,
    )  # fmt: skip


def _place(row: TrialRow) -> tuple[str, int, int]:
    return (row.state, row.attempt, row.epochs_done)
