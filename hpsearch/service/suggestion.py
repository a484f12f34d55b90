"""What a study tries next: its stages, and the sampler that proposes in them.

start             opens a study's first stage
propose           new trials for a worker that asks
open_due_stages   opens the next stage once enough trials of the present one have ended
SamplerCache      this process's samplers with the trials that they know; the database is the truth

All work inside the caller's transaction, under the study's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.orm import Session

from hpsearch.search.ranking import rank_trials
from hpsearch.search.samplers import sampler_for
from hpsearch.search.samplers.base import History, Observation, Proposal, Sampler
from hpsearch.search.samplers.staged import RangeChange
from hpsearch.search.staging import OpenStage, first_stage, next_stage
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.messages import format_spec, pluralize
from hpsearch.spec.language.states import EventKind
from hpsearch.spec.searches.base import PlannedStage, SearchBase
from hpsearch.spec.space.space import SearchSpace, chosen_value, search_space
from hpsearch.spec.space.stages import longest_epochs as longest_stage_epochs
from hpsearch.spec.space.stages import stages_of
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.space import space_from_wire, space_to_wire
from hpsearch.store import events, observations, stages
from hpsearch.store.lru import LruCache
from hpsearch.store.stages import StoredStage
from hpsearch.store.studies import LockedStudy
from hpsearch.store.trials import NewTrial

CACHED_STUDIES = 64
"""Samplers that are cached with what they know; others learn it again when they are needed."""


@dataclass
class _StudySampler:
    """A sampler of one stage of a study, and the ended trials that it knows."""

    key: tuple[float, int, int]
    """The study's creation (a database may give an id again), its version, and the stage."""
    sampler: Sampler[SearchBase]
    ended: list[Observation]
    """Those of an earlier study first."""
    own_ended: int = 0
    """How many of them are the study's own."""

    def learn(self, trials: Sequence[Observation]) -> None:
        """Adds trials of the study that ended meanwhile."""
        self.own_ended += len(trials)
        self.ended += trials


class SamplerCache:
    """Samplers by study; the one used least recently goes first."""

    def __init__(self, size: int = CACHED_STUDIES) -> None:
        self._samplers: LruCache[int, _StudySampler] = LruCache(size)

    def sampler_of(self, session: Session, study: LockedStudy, stage: OpenStage) -> _StudySampler:
        """The study's sampler as it was left, or a new one that knows an earlier study alone."""
        key = (study.created_at, study.version, stage.index)
        cached = self._samplers.get(study.id)
        if cached is not None and cached.key == key:
            return cached
        sampler = sampler_for(stage.problem(study.spec))
        made = _StudySampler(key, sampler, observations.warm_start(session, study.id))
        self._samplers.put(study.id, made)
        return made


def start(session: Session, study_id: int, spec: StudySpec, known: Sequence[Observation]) -> None:
    """Opens a study's first stage; `known` are trials of an earlier study to learn from."""
    stage = first_stage(spec, known)
    stages.start(session, study_id, _stored(stage))
    if spec.search.is_staged:
        _log_start(session, study_id, stage)


def propose(
    session: Session, samplers: SamplerCache, study: LockedStudy, count: int
) -> list[NewTrial]:
    """Up to `count` new trials, numbered from where the study is."""
    stored = stages.get(session, study.id, study.stage)
    stage = _stage(study.spec, stored)
    count = min(count, stage.end - study.trials_created)
    if count <= 0:
        return []
    given = list(stage.initial[stored.given_done : stored.given_done + count])
    first = stage.first_sampled + stored.sampled
    numbers = range(first, first + count - len(given))
    proposals = given + _suggest(session, samplers, study, stage, numbers)
    stages.record_proposed(
        session,
        study.id,
        stage.index,
        given=len(given),
        sampled=len(proposals) - len(given),
    )
    return [
        NewTrial(
            number=study.trials_created + index,
            params=proposal.params,
            stage=stage.index,
            version=study.version,
            epochs=stage.plan.epochs or epochs_of(study.spec, proposal.params),
            continues=proposal.continues,
            proposal=None if index < len(given) else first + index - len(given),
        )
        for index, proposal in enumerate(proposals)
    ]


def propose_again(
    session: Session, samplers: SamplerCache, study: LockedStudy, numbers: Sequence[int]
) -> list[Mapping[str, Value]]:
    """Configurations in place of some that the present stage's sampler proposed before an edit.

    Args:
        session: the transaction.
        samplers: this process's.
        study: the study, as it is after the edit.
        numbers: what the sampler calls them, rising.

    Returns:
        One for each number; fewer where the sampler wants more trials to end first.
    """
    if not numbers:
        return []
    proposals = _suggest(session, samplers, study, present_stage(session, study), numbers)
    return [proposal.params for proposal in proposals]


def open_due_stages(session: Session, study: LockedStudy) -> None:
    """Opens each next stage once a quorum of the trials of the one before has ended.

    Its box is where a range is narrowed or extended; the study's log says which and why.
    """
    plans = stages_of(study.spec)
    if len(plans) == 1:
        return
    stage = present_stage(session, study)
    while stage.index + 1 < len(plans):
        quorum = study.spec.search.quorum_of(stage.plan.trials)
        if stages.count_ended(session, study.id, stage.index) < quorum:
            return
        tried = observations.of_stage(session, study.id, study.spec, stage.index)
        stages.finish(session, study.id, stage.index)
        _log_end(session, study, stage, tried)
        # Under a quorum below one, trials of this stage may still be missing: they never come.
        stages.add_trials(session, study.id, stage.index, len(tried) - stage.plan.trials)
        stage = next_stage(study.spec, stage, tried, stage.first + len(tried))
        stages.start(session, study.id, _stored(stage))
        for change in stage.changes:
            _log_change(session, study.id, stage, change)
        _log_start(session, study.id, stage)


def _suggest(
    session: Session,
    samplers: SamplerCache,
    study: LockedStudy,
    stage: OpenStage,
    numbers: Sequence[int],
) -> list[Proposal]:
    """Configurations that the sampler suggests, for as many of these numbers as it can.

    The numbers are its own: trials that people add to a study take nothing out of a grid.
    """
    if not numbers:
        return []
    cached = samplers.sampler_of(session, study, stage)
    history = History()
    if cached.sampler.reads_history:
        cached.learn(observations.ended(session, study.id, study.spec, after=cached.own_ended))
        history = History(cached.ended, observations.running(session, study.id, study.spec))
    count = min(len(numbers), cached.sampler.max_suggestions(history, len(numbers)))
    return cached.sampler.suggest(numbers[:count], history)


def box_after(
    box: Sequence[Mapping[str, Any]], before: SearchSpace, after: SearchSpace
) -> list[dict[str, Any]]:
    """A stage's box after an edit: what the edit left alone stays as narrow as it was."""
    untouched = {parameter.name: parameter for parameter in before.parameters}
    narrow = {p.name: p for p in space_from_wire(box, after).parameters}
    return space_to_wire(
        SearchSpace(
            tuple(
                narrow.get(parameter.name, parameter)
                if untouched.get(parameter.name) == parameter
                else parameter
                for parameter in after.parameters
            )
        )
    )


def present_stage(session: Session, study: LockedStudy) -> OpenStage:
    """The stage that a study is in."""
    return _stage(study.spec, stages.get(session, study.id, study.stage))


def _stage(spec: StudySpec, stored: StoredStage) -> OpenStage:
    whole = search_space(spec)
    return OpenStage(
        index=stored.index,
        first=stored.first,
        plan=PlannedStage(stored.trials, stored.epochs),
        space=whole if stored.space is None else space_from_wire(stored.space, whole),
        initial=tuple(Proposal(**given) for given in stored.given),
    )


def _stored(stage: OpenStage) -> StoredStage:
    return StoredStage(
        index=stage.index,
        first=stage.first,
        trials=stage.plan.trials,
        epochs=stage.plan.epochs,
        space=space_to_wire(stage.space) if stage.changes or stage.index else None,
        given=[
            {"params": dict(proposal.params), "continues": proposal.continues}
            for proposal in stage.initial
        ],
        changes=[asdict(change) for change in stage.changes],
    )


def longest_epochs(study: LockedStudy) -> int:
    """The most epochs that a trial of the present stage may be given."""
    return longest_stage_epochs(study.spec, stages_of(study.spec)[study.stage])


def epochs_of(spec: StudySpec, params: Mapping[str, Value]) -> int:
    """A trial's length; whether its params go together is found out where it trains."""
    return int(chosen_value(params, "training.epochs", spec.training.epochs))


def _log_start(session: Session, study_id: int, stage: OpenStage) -> None:
    again = len(stage.initial) if stage.index else 0
    events.add(
        session,
        study_id,
        EventKind.STAGE_STARTED,
        f"stage {stage.index}: {pluralize(stage.plan.trials, 'trial')} of "
        f"{pluralize(stage.plan.epochs or 0, 'epoch')}"
        + (f", {again} of them with the best configurations so far" if again else "")
        + (f"; {stage.note}" if stage.note else ""),
        stage=stage.index,
        trials=stage.plan.trials,
        epochs=stage.plan.epochs,
    )


def _log_end(
    session: Session, study: LockedStudy, stage: OpenStage, tried: Sequence[Observation]
) -> None:
    best = rank_trials(tried)[:1]
    events.add(
        session,
        study.id,
        EventKind.STAGE_FINISHED,
        f"stage {stage.index} is over: {pluralize(len(tried), 'trial')}, "
        + (f"the best is trial {best[0].number}" if best else "none came to a value"),
        stage=stage.index,
        best_trial=best[0].number if best else None,
    )


def _log_change(session: Session, study_id: int, stage: OpenStage, change: RangeChange) -> None:
    extended = change.kind == "extended"
    events.add(
        session,
        study_id,
        EventKind.RANGE_EXTENDED if extended else EventKind.RANGE_NARROWED,
        f"{change.parameter}: {format_spec(change.before)} → {format_spec(change.after)}, as "
        f"{change.reason}",
        stage=stage.index,
        parameter=change.parameter,
        before=change.before,
        after=change.after,
        reason=change.reason,
    )
