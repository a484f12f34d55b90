"""Which checkpoints a study still needs, and which files nobody needs any more.

Needed are, whatever the policy says: what a running trial resumes from, what another trial goes on
from, what an ensemble is made of or may yet be made of, and what a person has pinned.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from hpsearch.spec.checkpoints import Checkpoints
from hpsearch.spec.language.states import is_final
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store import checkpoints, datasets, ensembles, studies, trials
from hpsearch.store.artifacts import StoredFile
from hpsearch.store.checkpoints import TrialCheckpoint
from hpsearch.store.studies import LockedStudy


def after_trials(session: Session, study: LockedStudy, trial_ids: Collection[int]) -> list[str]:
    """Lets go of what the end of these trials leaves unneeded; returns the artifacts' keys."""
    if not trial_ids:
        return []
    policy = study.spec.checkpoints
    return _let_go(session, study, None if policy.top is not None else trial_ids)


def after_all(session: Session, study: LockedStudy) -> list[str]:
    """The same when a study, or its last ensemble, is over."""
    return _let_go(session, study, None)


def _let_go(session: Session, study: LockedStudy, trial_ids: Collection[int] | None) -> list[str]:
    if study.spec.checkpoints.is_plain:
        return []
    gone = unneeded(session, studies.lock(session, study.id), trial_ids)
    return checkpoints.remove(session, [one.checkpoint.id for one in gone])


def unneeded(
    session: Session, study: LockedStudy, trial_ids: Collection[int] | None = None
) -> list[TrialCheckpoint]:
    """A study's checkpoints that nothing needs; perhaps of some of its trials alone."""
    if ensembles.open_of_study(session, study.id):
        return []
    over = study.search_over or is_final(study.state)
    if study.spec.ensembles and not over:
        return []
    held = checkpoints.of_study(session, study.id, trial_ids)
    members = ensembles.members(session, study.id)
    kept = _policy_keeps(session, study.id, study.spec, is_combined=bool(members))
    goes_on = not over and study.spec.search.continues
    sources = trials.continued_numbers(session, study.id)

    def is_needed(one: TrialCheckpoint) -> bool:
        checkpoint = one.checkpoint
        return (
            not is_final(one.state)
            or checkpoint.pinned
            or (checkpoint.trial, checkpoint.epoch) in members
            or (_may_resume(checkpoint) and (goes_on or checkpoint.trial in sources))
            or (
                (kept is None or checkpoint.trial in kept) and _is_kept(study.spec.checkpoints, one)
            )
        )

    return [one for one in held if not is_needed(one)]


def _may_resume(checkpoint: Checkpoint) -> bool:
    """Whether a trial that goes on from another one is given it: its state, or its best one."""
    return checkpoint.last or checkpoint.best


def _is_kept(policy: Checkpoints, one: TrialCheckpoint) -> bool:
    """Whether the policy keeps it for its own trial."""
    checkpoint = one.checkpoint
    return (
        (checkpoint.best and "best" in policy.keep)
        or (checkpoint.last and "last" in policy.keep)
        or bool(checkpoint.reasons)
    )


def _policy_keeps(
    session: Session, study_id: int, spec: StudySpec, *, is_combined: bool
) -> set[int] | None:
    """Numbers of the trials whose checkpoints the policy keeps; none for all.

    What is of value to an ensemble shows only once one `is_combined`.
    """
    policy = spec.checkpoints
    if policy.top is None and (policy.ensemble_value is None or not is_combined):
        return None
    return set(studies.best_numbers(session, study_id, spec, policy.top or 1))


def unneeded_anywhere(session: Session) -> list[tuple[TrialCheckpoint, list[str]]]:
    """Every study's checkpoints that nothing needs, with the keys of their artifacts."""
    return [
        (one, checkpoints.artifact_keys_of(session, one.checkpoint.id))
        for study_id in studies.all_ids(session)
        for one in unneeded(session, studies.lock(session, study_id))
    ]


def strays(session: Session, files: Sequence[StoredFile], older_than_seconds: float) -> list[str]:
    """Keys of those files that nothing refers to.

    Args:
        session: the transaction.
        files: all there were before it began.
        older_than_seconds: younger ones may just be on their way to being kept.
    """
    known = {*checkpoints.artifact_keys(session), *ensembles.artifact_keys(session)}
    known |= datasets.artifact_keys(session)
    before = time.time() - older_than_seconds
    return [file.key for file in files if file.key not in known and file.changed_at < before]
