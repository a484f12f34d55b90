"""Learning-rate schedules: each is a multiplier of `optimizer.lr`, which is the reference (peak).

t     time since the schedule began, after its warmup, in `unit`
T     `decay_steps`: the schedule's length in `unit`
n     a count of periods, cycles or boundaries passed

The formulas below give the multiplier; `training.schedules` computes it. What a rule demands of
several fields together is demanded of every value that their distributions can draw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, field_validator, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.distributions import Integer, OneOf, Real, values_of
from hpsearch.spec.language.expression import ExpressionError, first_value, parse
from hpsearch.spec.language.family import Family, Kind
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.metrics import direction_of, endings


class Warmup(SpecModel):
    """A rise from `start_factor` to 1 before the schedule begins; its time is not the schedule's.

    With W its length and s the time in it: linear, start_factor + (1 − start_factor)·s/W;
    exponential, start_factor^(1 − s/W); constant, start_factor. It ends at `optimizer.lr` whatever
    the schedule begins with.
    """

    epochs: Annotated[float, Real(ge=0)] | None = None
    steps: Annotated[float, Real(ge=0)] | None = None
    kind: OneOf[Literal["constant", "linear", "exponential"]] = "linear"
    start_factor: Annotated[float, Real(ge=0, le=1)] = 0.01

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise PydanticCustomError(
                "warmup_length", "needs exactly one of epochs and steps; give one"
            )
        return self

    @model_validator(mode="after")
    def _exponential_from_above_zero(self) -> Self:
        if "exponential" in values_of(self.kind) and min(values_of(self.start_factor)) == 0:
            raise PydanticCustomError(
                "warmup_start",
                "an exponential warmup must start above 0, got start_factor 0; "
                "use a positive start_factor or a linear warmup",
            )
        return self


class ScheduleBase(Kind):
    """What every schedule has."""

    has_minima: ClassVar[bool] = False
    """Whether it may reach several minima, between which it rises again."""

    unit: OneOf[Literal["epoch", "step"]] = "epoch"
    """What its times count; epochs are fractional inside an epoch."""
    warmup: OneOf[Warmup] | None = None


class Decaying(ScheduleBase):
    """A schedule with a length."""

    decay_steps: Annotated[float, Real(gt=0)] | None = None
    """T, in `unit`; none means the trial's planned length minus warmup."""


class Constant(ScheduleBase):
    """1."""

    implementation = "hpsearch.training.schedules.decay:constant"

    kind: Literal["constant"]


class PiecewiseConstant(ScheduleBase):
    """factors[n], n the number of boundaries < t: a new factor starts after its boundary."""

    implementation = "hpsearch.training.schedules.decay:piecewise_constant"

    kind: Literal["piecewise_constant"]
    boundaries: OneOf[tuple[Annotated[float, Real(gt=0)], ...]]
    factors: OneOf[tuple[Annotated[float, Real(ge=0)], ...]]

    @model_validator(mode="after")
    def _one_factor_for_each_piece(self) -> Self:
        for boundaries, factors in product(values_of(self.boundaries), values_of(self.factors)):
            if len(factors) != len(boundaries) + 1:
                raise PydanticCustomError(
                    "piecewise_factors",
                    "must have one factor more than boundaries, got {factors} for {boundaries}; "
                    "give {expected}",
                    {
                        "field": "factors",
                        "factors": len(factors),
                        "boundaries": len(boundaries),
                        "expected": len(boundaries) + 1,
                    },
                )
        return self

    @model_validator(mode="after")
    def _boundaries_increase(self) -> Self:
        for boundaries in values_of(self.boundaries):
            for left, right in pairwise(boundaries):
                if max(values_of(left)) >= min(values_of(right)):
                    raise PydanticCustomError(
                        "piecewise_boundaries",
                        "must increase, got {left} before {right}; sort them, and let ranges not "
                        "overlap",
                        {
                            "field": "boundaries",
                            "left": format_value(max(values_of(left))),
                            "right": format_value(min(values_of(right))),
                        },
                    )
        return self


class Step(ScheduleBase):
    """gamma^floor(t / step_size)."""

    implementation = "hpsearch.training.schedules.decay:step"

    kind: Literal["step"]
    step_size: Annotated[float, Real(gt=0)]
    gamma: Annotated[float, Real(gt=0)] = 0.1


class MultiStep(ScheduleBase):
    """gamma^n, n the number of milestones <= t; their order does not matter."""

    implementation = "hpsearch.training.schedules.decay:multi_step"

    kind: Literal["multi_step"]
    milestones: OneOf[tuple[Annotated[float, Real(ge=0)], ...]]
    gamma: Annotated[float, Real(gt=0)] = 0.1


class Exponential(Decaying):
    """decay_rate^(t / T)."""

    implementation = "hpsearch.training.schedules.decay:exponential"

    kind: Literal["exponential"]
    decay_rate: Annotated[float, Real(gt=0)]
    staircase: OneOf[bool] = False
    """True floors t / T."""


class NaturalExponential(Decaying):
    """exp(−decay_rate·t / T)."""

    implementation = "hpsearch.training.schedules.decay:natural_exponential"

    kind: Literal["natural_exponential"]
    decay_rate: Annotated[float, Real(ge=0)]
    staircase: OneOf[bool] = False
    """True floors t / T."""


class InverseTime(Decaying):
    """1 / (1 + decay_rate·t / T)."""

    implementation = "hpsearch.training.schedules.decay:inverse_time"

    kind: Literal["inverse_time"]
    decay_rate: Annotated[float, Real(ge=0)]
    staircase: OneOf[bool] = False
    """True floors t / T."""


class Polynomial(Decaying):
    """(1 − end_factor)·(1 − min(t, T) / T)^power + end_factor."""

    implementation = "hpsearch.training.schedules.decay:polynomial"

    kind: Literal["polynomial"]
    power: Annotated[float, Real(gt=0)] = 1.0
    end_factor: Annotated[float, Real(ge=0)] = 0.0
    cycle: OneOf[bool] = False
    """True: t is not clamped and T becomes T·max(1, ceil(t / T)), so that the rate rises again."""


class Linear(Decaying):
    """start_factor + (end_factor − start_factor)·min(t, T) / T."""

    implementation = "hpsearch.training.schedules.decay:linear"

    kind: Literal["linear"]
    start_factor: Annotated[float, Real(ge=0)] = 1.0
    end_factor: Annotated[float, Real(ge=0)] = 0.0


class Cosine(Decaying):
    """(1 − alpha)·½(1 + cos(π·min(t, T) / T)) + alpha."""

    implementation = "hpsearch.training.schedules.decay:cosine"

    kind: Literal["cosine"]
    alpha: Annotated[float, Real(ge=0, le=1)] = 0.0


class LinearCosine(Decaying):
    """(alpha + (T − t) / T)·½(1 + cos(2π·num_periods·t / T)) + beta, t clamped to T.

    Bello et al. 2017, Neural Optimizer Search with Reinforcement Learning.
    """

    implementation = "hpsearch.training.schedules.decay:linear_cosine"

    kind: Literal["linear_cosine"]
    num_periods: Annotated[float, Real(ge=0)] = 0.5
    alpha: Annotated[float, Real(ge=0)] = 0.0
    beta: Annotated[float, Real(ge=0)] = 0.001


class NoisyLinearCosine(Decaying):
    """(alpha + (T − t) / T + ε)·½(1 + cos(2π·num_periods·t / T)) + beta, at least 0.

    ε ~ N(0, initial_variance / (1 + t)^variance_decay), one draw for each optimizer step, from the
    trial's seed. t is clamped to T.
    """

    implementation = "hpsearch.training.schedules.decay:noisy_linear_cosine"

    kind: Literal["noisy_linear_cosine"]
    num_periods: Annotated[float, Real(ge=0)] = 0.5
    alpha: Annotated[float, Real(ge=0)] = 0.0
    beta: Annotated[float, Real(ge=0)] = 0.001
    initial_variance: Annotated[float, Real(ge=0)] = 1.0
    variance_decay: Annotated[float, Real(ge=0)] = 0.55


class CosineRestarts(ScheduleBase):
    """low + ½(high − low)·(1 + cos(π·s / T_n)), s the time since restart n.

    T_n = first_period·period_factor^n, high = max_decay^n, low = min_factor·min_decay^n
    (Loshchilov & Hutter 2017, SGDR).
    """

    implementation = "hpsearch.training.schedules.cycles:cosine_restarts"
    has_minima = True

    kind: Literal["cosine_restarts"]
    first_period: Annotated[float, Real(gt=0)]
    period_factor: Annotated[float, Real(ge=1)] = 1.0
    min_factor: Annotated[float, Real(ge=0, le=1)] = 0.0
    max_decay: Annotated[float, Real(gt=0, le=1)] = 1.0
    min_decay: Annotated[float, Real(gt=0, le=1)] = 1.0


class Cyclic(ScheduleBase):
    """low + (high − low)·scale·max(0, 1 − |t / half_period − 2n − 1|) in cycle n = 0, 1, ...

    high = max_decay^n, low = min_factor·min_decay^n; scale is 1 for triangular, 2^−n for
    triangular2, gamma^t for exp_range (Smith 2017, Cyclical Learning Rates).
    """

    implementation = "hpsearch.training.schedules.cycles:cyclic"
    has_minima = True

    kind: Literal["cyclic"]
    half_period: Annotated[float, Real(gt=0)]
    min_factor: Annotated[float, Real(ge=0, le=1)] = 0.1
    mode: OneOf[Literal["triangular", "triangular2", "exp_range"]] = "triangular"
    gamma: Annotated[float, Real(gt=0, le=1)] = 0.99
    max_decay: Annotated[float, Real(gt=0, le=1)] = 1.0
    min_decay: Annotated[float, Real(gt=0, le=1)] = 1.0
    momentum_cycle: OneOf[bool] = False
    """True: momentum (or beta1) runs inversely, 0.9 at the low end and 0.8 at the top."""


class OneCycle(ScheduleBase):
    """1/div_factor up to 1, then down to 1/(div_factor·final_div_factor), over the planned length.

    The peak is at step pct_start·N − 1 of N, the end at step N − 1. With three_phase the way down
    first mirrors the way up (Smith & Topin 2018, Super-Convergence).
    """

    implementation = "hpsearch.training.schedules.cycles:one_cycle"

    kind: Literal["one_cycle"]
    pct_start: Annotated[float, Real(ge=0, le=1)] = 0.3
    div_factor: Annotated[float, Real(ge=1)] = 25.0
    final_div_factor: Annotated[float, Real(ge=1)] = 1e4
    anneal: OneOf[Literal["cos", "linear"]] = "cos"
    three_phase: OneOf[bool] = False
    momentum_cycle: OneOf[bool] = False
    """True: momentum (or beta1) runs inversely, 0.95 at both ends and 0.85 at the top."""

    @model_validator(mode="after")
    def _room_for_the_mirror(self) -> Self:
        highest = max(values_of(self.pct_start))
        if True in values_of(self.three_phase) and highest > 0.5:
            raise PydanticCustomError(
                "one_cycle_start",
                "must be <= 0.5 with three_phase, got {highest}; lower it or leave three_phase out",
                {"field": "pct_start", "highest": format_value(float(highest))},
            )
        return self


def _metric(name: str) -> str:
    if name.startswith("test_"):
        raise PydanticCustomError(
            "plateau_metric",
            "must not be measured on the test split, got {name}; use one that begins with val_",
            {"name": format_value(name)},
        )
    if direction_of(name) is None:
        raise PydanticCustomError(
            "plateau_metric",
            "must end in one of {endings}, which say whether it should fall or rise, got {name}; "
            "use val_loss or val_accuracy",
            {"endings": ", ".join(endings()), "name": format_value(name)},
        )
    return name


class ReduceOnPlateau(ScheduleBase):
    """Times `factor` after more than `patience` epochs in which the metric did not improve.

    To improve is to pass the best value so far by its share `threshold`. After a reduction,
    `cooldown` epochs are not counted. Epochs count from the schedule's beginning; `unit` does not
    matter.
    """

    implementation = "hpsearch.training.schedules.plateau:reduce_on_plateau"

    kind: Literal["reduce_on_plateau"]
    metric: OneOf[Annotated[str, AfterValidator(_metric)]] = "val_loss"
    factor: Annotated[float, Real(gt=0, lt=1)] = 0.5
    patience: Annotated[int, Integer(ge=0)] = 3
    threshold: Annotated[float, Real(ge=0, lt=1)] = 1e-4
    cooldown: Annotated[int, Integer(ge=0)] = 0
    min_factor: Annotated[float, Real(ge=0, le=1)] = 0.0


class InverseSqrt(ScheduleBase):
    """√(reference / max(t, reference))."""

    implementation = "hpsearch.training.schedules.decay:inverse_sqrt"

    kind: Literal["inverse_sqrt"]
    reference: Annotated[float, Real(gt=0)]


class WarmupStableDecay(ScheduleBase):
    """1 for the share `stable` of the planned length after warmup, then down to 0 at its end.

    With x from 0 to 1 over the way down: linear 1 − x; cosine ½(1 + cos(π·x)); 1-sqrt 1 − √x.
    Without a `warmup` there is no way up (Hu et al. 2024, MiniCPM).
    """

    implementation = "hpsearch.training.schedules.decay:warmup_stable_decay"

    kind: Literal["warmup_stable_decay"]
    stable: Annotated[float, Real(ge=0, le=1)] = 0.8
    decay: OneOf[Literal["linear", "cosine", "1-sqrt"]] = "linear"


def _expression(text: str) -> str:
    try:
        value = first_value(parse(text))
    except ExpressionError as error:
        raise PydanticCustomError("expression", "{sentence}", {"sentence": str(error)}) from None
    if not math.isfinite(value):
        raise PydanticCustomError(
            "expression",
            "must be a finite number at every step, got {value} at the first, where step and epoch "
            "are 0; use step + 1 or max(step, 1)",
            {"value": str(value)},
        )
    return text


class Lambda(ScheduleBase):
    """A person's own arithmetic in step, epoch, total_steps and total_epochs (`spec.expression`).

    All four count from the schedule's beginning, after its warmup; `epoch` is fractional inside an
    epoch (`floor(epoch)` is not), whatever `unit` says. A negative result counts as 0; one that is
    not finite is an error.
    """

    implementation = "hpsearch.training.schedules.arithmetic:arithmetic"

    kind: Literal["lambda"]
    expression: OneOf[Annotated[str, AfterValidator(_expression)]]


SIMPLE_SCHEDULES: Family[ScheduleBase] = Family(
    Constant,
    PiecewiseConstant,
    Step,
    MultiStep,
    Exponential,
    NaturalExponential,
    InverseTime,
    Polynomial,
    Linear,
    Cosine,
    LinearCosine,
    NoisyLinearCosine,
    CosineRestarts,
    Cyclic,
    OneCycle,
    ReduceOnPlateau,
    InverseSqrt,
    WarmupStableDecay,
    Lambda,
    default="constant",
)
"""Where a new schedule is entered: every one but `sequence`, of which these may be parts."""


class SequencePart(SpecModel):
    """One schedule of a sequence; its planned length is `length`."""

    schedule: OneOf[Annotated[ScheduleBase, SIMPLE_SCHEDULES]]
    length: Annotated[float, Real(gt=0)]
    """In the sequence's `unit`."""

    @field_validator("schedule", mode="before")
    @classmethod
    def _not_nested(cls, schedule: Any) -> Any:
        kind = schedule.get("kind") if isinstance(schedule, Mapping) else schedule
        if kind == "sequence":
            raise PydanticCustomError(
                "nested_sequence",
                "must not be a sequence itself; list its parts in the outer one",
            )
        return schedule


class Sequence(ScheduleBase):
    """Schedules one after another; a part's t is 0 where it begins, and the last part runs on."""

    implementation = "hpsearch.training.schedules.factors:sequence"
    has_minima = True

    kind: Literal["sequence"]
    parts: tuple[SequencePart, ...]

    @field_validator("parts")
    @classmethod
    def _not_empty(cls, parts: tuple[SequencePart, ...]) -> tuple[SequencePart, ...]:
        if not parts:
            raise PydanticCustomError(
                "no_parts", "must have at least one part, got none; add {schedule, length}"
            )
        return parts

    @model_validator(mode="after")
    def _one_metric(self) -> Self:
        watched = metrics_read(self)
        if len(watched) > 1:
            raise PydanticCustomError(
                "sequence_metrics",
                "must watch one metric in all its parts, got {metrics}; choose one",
                {"field": "parts", "metrics": ", ".join(sorted(watched))},
            )
        return self


SCHEDULES = Family(*SIMPLE_SCHEDULES.members.values(), Sequence, default="constant")

Schedule: TypeAlias = Annotated[ScheduleBase, SCHEDULES]


def metrics_read(schedule: Any) -> frozenset[str]:
    """The metrics that a schedule, resolved or not, may need the history of."""
    return frozenset(
        metric
        for part in parts_within(schedule)
        if isinstance(part, ReduceOnPlateau)
        for metric in values_of(part.metric)
    )


def parts_within(value: Any) -> Iterator[BaseModel]:
    """A spec and every spec inside it, through choices and lists."""
    if isinstance(value, BaseModel):
        yield value
        value = tuple(getattr(value, name) for name in type(value).model_fields)
    if isinstance(value, tuple):
        for item in value:
            yield from parts_within(item)
