"""Which checkpoints a study still needs, and which artifacts nobody needs any more.

Needed are, whatever the checkpoint policy says: what a running trial resumes from, what another
trial continues, what an ensemble is made of or may yet be made of, and what a person has pinned.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from hpsearch.service.context import ServiceContext
from hpsearch.spec.checkpoints import Checkpoints
from hpsearch.spec.language.states import is_final
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.jobs import GarbageCollectionRequest
from hpsearch.spec.wire.records import Checkpoint, GarbageCollection, GarbageItem
from hpsearch.store import checkpoints, datasets, ensembles, ranking, studies, trials
from hpsearch.store.artifacts import StoredFile
from hpsearch.store.checkpoints import TrialCheckpoint
from hpsearch.store.studies import LockedStudy


def release_unneeded_of_trials(
    session: Session, context: ServiceContext, study: LockedStudy, trial_ids: Collection[int]
) -> None:
    """Removes the checkpoints that the end of these trials leaves unneeded.

    Under a policy of the best k trials, the end of one can leave any trial's checkpoints unneeded.
    """
    if trial_ids:
        policy = study.spec.checkpoints
        _release(session, context, study, None if policy.top is not None else trial_ids)


def release_unneeded(session: Session, context: ServiceContext, study: LockedStudy) -> None:
    """Removes a study's unneeded checkpoints, when it or one of its ensembles is over."""
    _release(session, context, study, None)


def _release(
    session: Session,
    context: ServiceContext,
    study: LockedStudy,
    trial_ids: Collection[int] | None,
) -> None:
    if study.spec.checkpoints.is_plain:
        return
    found = unneeded(session, studies.lock(session, study.id), trial_ids)
    keys = checkpoints.remove(session, [stored.checkpoint.id for stored in found])
    context.artifacts.delete_on_commit(session, keys)


def unneeded(
    session: Session, study: LockedStudy, trial_ids: Collection[int] | None = None
) -> list[TrialCheckpoint]:
    """A study's checkpoints that nothing needs; with `trial_ids` of these trials alone."""
    if ensembles.open_of_study(session, study.id):
        return []
    over = study.search_over or is_final(study.state)
    if study.spec.ensembles and not over:
        return []
    stored = checkpoints.of_study(session, study.id, trial_ids)
    members = ensembles.members(session, study.id)
    top = _top_trials(session, study.id, study.spec, has_ensemble=bool(members))
    may_continue_any = not over and study.spec.search.continues
    continued = trials.continued_numbers(session, study.id)

    def is_needed(one: TrialCheckpoint) -> bool:
        checkpoint = one.checkpoint
        return (
            not is_final(one.state)
            or checkpoint.pinned
            or (checkpoint.trial, checkpoint.epoch) in members
            or (_can_resume(checkpoint) and (may_continue_any or checkpoint.trial in continued))
            or (
                (top is None or checkpoint.trial in top)
                and _is_retained(study.spec.checkpoints, checkpoint)
            )
        )

    return [one for one in stored if not is_needed(one)]


def _can_resume(checkpoint: Checkpoint) -> bool:
    """Whether a trial that continues this one may be given it: its last state, or its best."""
    return checkpoint.last or checkpoint.best


def _is_retained(policy: Checkpoints, checkpoint: Checkpoint) -> bool:
    """Whether the policy retains a checkpoint among those of its own trial."""
    return (
        (checkpoint.best and "best" in policy.keep)
        or (checkpoint.last and "last" in policy.keep)
        or bool(checkpoint.reasons)
    )


def _top_trials(
    session: Session, study_id: int, spec: StudySpec, *, has_ensemble: bool
) -> set[int] | None:
    """Numbers of the trials whose checkpoints the policy retains; none for all.

    What is of value to an ensemble shows only once there is one.
    """
    policy = spec.checkpoints
    if policy.top is None and (policy.ensemble_value is None or not has_ensemble):
        return None
    return set(ranking.best_numbers(session, study_id, spec, policy.top or 1))


def collect_garbage(
    session: Session,
    context: ServiceContext,
    files: Sequence[StoredFile],
    request: GarbageCollectionRequest,
) -> GarbageCollection:
    """Removes checkpoints that nothing needs and files that nothing refers to.

    Args:
        session: the transaction.
        context: the service's.
        files: all that were in the artifact store before the transaction began.
        request: from what age on, and whether only to list them.
    """
    unneeded_ids: list[int] = []
    reasons: dict[str, str] = {}
    for study_id in studies.all_ids(session):
        for stored in unneeded(session, studies.lock(session, study_id)):
            checkpoint = stored.checkpoint
            unneeded_ids.append(checkpoint.id)
            why = (
                f"study {checkpoint.study_id} does not keep the state of trial "
                f"{checkpoint.trial} after epoch {checkpoint.epoch}"
            )
            reasons |= dict.fromkeys(checkpoints.artifact_keys_of(session, checkpoint.id), why)
    orphaned = orphans(session, files, request.older_than_seconds)
    reasons |= dict.fromkeys(orphaned, "nothing refers to it")
    if not request.dry_run:
        removed = {*checkpoints.remove(session, unneeded_ids), *orphaned}
        reasons = {key: why for key, why in reasons.items() if key in removed}
        context.artifacts.delete_on_commit(session, list(reasons))
    sizes = {file.key: file.size_bytes for file in files}
    items = [
        GarbageItem(key=key, size_bytes=sizes.get(key, 0), why=why) for key, why in reasons.items()
    ]
    return GarbageCollection(
        dry_run=request.dry_run, files=items, size_bytes=sum(item.size_bytes for item in items)
    )


def orphans(session: Session, files: Sequence[StoredFile], older_than_seconds: float) -> list[str]:
    """Keys of the files that nothing refers to.

    Args:
        session: the transaction.
        files: all that there were before it began.
        older_than_seconds: a younger one may be in the middle of its upload.
    """
    referenced = {*checkpoints.artifact_keys(session), *ensembles.artifact_keys(session)}
    referenced |= datasets.artifact_keys(session)
    before = time.time() - older_than_seconds
    return [file.key for file in files if file.key not in referenced and file.changed_at < before]
