"""What a study tries next: its stages, and the sampler that proposes in them.

begin     opens a study's first stage
propose   new trials for a worker that asks
advance   opens the next stage once enough trials of the present one have ended
Memory    what this process's samplers were told so far; the database is the truth

All work inside the caller's transaction, under the study's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from threading import Lock
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
from hpsearch.spec.search import PlannedStage, SearchKind
from hpsearch.spec.space.space import SearchSpace, search_space
from hpsearch.spec.space.stages import stages_of
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.space import space_from_wire, space_to_wire
from hpsearch.store import events, observations, stages
from hpsearch.store.stages import StoredStage
from hpsearch.store.studies import LockedStudy
from hpsearch.store.trials import NewTrial

REMEMBERED_STUDIES = 64
"""So many samplers are kept with what they were told; others are told anew when needed."""


@dataclass
class _Kept:
    """A sampler with the trials that ended.

    `key` is the study's creation (a database may give an id again), version and stage.
    """

    key: tuple[float, int, int]
    sampler: Sampler[SearchKind]
    ended: list[Observation]
    seen: int = 0
    """How many of them are the study's own."""

    def learn(self, trials: Sequence[Observation]) -> None:
        """Takes on trials that ended meanwhile."""
        self.seen += len(trials)
        self.ended += trials


@dataclass(frozen=True)
class Memory:
    """Samplers by study, the one used last at the end."""

    kept: dict[int, _Kept] = field(default_factory=dict)
    guard: Lock = field(default_factory=Lock)

    def of(self, session: Session, study: LockedStudy, stage: OpenStage) -> _Kept:
        """The study's sampler as it was left, or a new one that knows an earlier study alone."""
        with self.guard:
            found = self.kept.pop(study.id, None)
        key = (study.created_at, study.version, stage.index)
        if found is None or found.key != key:
            sampler = sampler_for(stage.problem(study.spec))
            found = _Kept(key, sampler, observations.warm_start(session, study.id))
        with self.guard:
            self.kept[study.id] = found
            while len(self.kept) > REMEMBERED_STUDIES:
                del self.kept[next(iter(self.kept))]
        return found


def begin(session: Session, study_id: int, spec: StudySpec, known: Sequence[Observation]) -> None:
    """Opens a study's first stage; `known` are trials of an earlier study to learn from."""
    stage = first_stage(spec, known)
    stages.start(session, study_id, _stored(stage))
    if spec.search.is_staged:
        _tell_start(session, study_id, stage)


def propose(session: Session, memory: Memory, study: LockedStudy, count: int) -> list[NewTrial]:
    """Up to `count` new trials, numbered from where the study is."""
    stored = stages.get(session, study.id, study.stage)
    stage = _stage(study.spec, stored)
    count = min(count, stage.end - study.trials_created)
    if count <= 0:
        return []
    given = list(stage.initial[stored.given_done : stored.given_done + count])
    proposals = given + _sampled(
        session, memory, study, stage, stage.first_sampled + stored.sampled, count - len(given)
    )
    stages.record_proposed(
        session,
        study.id,
        stage.index,
        given=len(given),
        sampled=len(proposals) - len(given),
    )
    return [
        NewTrial(
            number=study.trials_created + place,
            params=proposal.params,
            stage=stage.index,
            version=study.version,
            epochs=stage.plan.epochs or epochs_of(study.spec, proposal.params),
            continues=proposal.continues,
        )
        for place, proposal in enumerate(proposals)
    ]


def advance(session: Session, study: LockedStudy) -> None:
    """Opens the stages whose turn has come."""
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
        _tell_end(session, study, stage, tried)
        # Under a quorum below one, trials of this stage may still be missing: they never come.
        stages.add_trials(session, study.id, stage.index, len(tried) - stage.plan.trials)
        stage = next_stage(study.spec, stage, tried, stage.first + len(tried))
        stages.start(session, study.id, _stored(stage))
        for change in stage.changes:
            _tell_change(session, study.id, stage, change)
        _tell_start(session, study.id, stage)


def _sampled(
    session: Session, memory: Memory, study: LockedStudy, stage: OpenStage, first: int, count: int
) -> list[Proposal]:
    """Up to `count` configurations of the sampler, which numbers them on its own: whatever people
    add to a study takes nothing out of a grid.
    """  # noqa: D205
    if count == 0:
        return []
    kept = memory.of(session, study, stage)
    tried = History()
    if kept.sampler.reads_history:
        kept.learn(observations.ended(session, study.id, study.spec, after=kept.seen))
        tried = History(kept.ended, observations.running(session, study.id, study.spec))
    count = min(count, kept.sampler.max_suggestions(tried, count))
    return kept.sampler.suggest(range(first, first + count), tried)


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


def epochs_of(spec: StudySpec, params: Mapping[str, Value]) -> int:
    """A trial's length; whether its params go together is found out where it trains."""
    return int(params.get("training.epochs", spec.training.epochs))


def _tell_start(session: Session, study_id: int, stage: OpenStage) -> None:
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


def _tell_end(
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


def _tell_change(session: Session, study_id: int, stage: OpenStage, change: RangeChange) -> None:
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
