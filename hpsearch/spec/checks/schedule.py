"""Whether the schedules of a study go with its metrics and its optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hpsearch.errors import FieldError
from hpsearch.spec.language.distributions import options_of, values_of
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.metrics import list_curves
from hpsearch.spec.schedule import Schedule, metrics_followed, parts_within
from hpsearch.spec.study import StudySpec


def schedule_errors(spec: StudySpec, metrics: Sequence[str]) -> Iterator[FieldError]:
    """What a schedule reads and the task does not measure, or moves and the optimizer has not."""
    optimizers = options_of(spec.optimizer)
    schedules: list[tuple[str, Schedule | None]] = [("schedule", spec.schedule)]
    schedules += [("optimizer.momentum_schedule", one.momentum_schedule) for one in optimizers]
    for path, schedule in schedules:
        for metric in sorted(metrics_followed(schedule) - set(metrics)):
            yield FieldError(
                f"{path}.metric",
                f"must be one of {list_curves(metrics)}; got {format_value(metric)}",
            )
    cycles = any(
        True in values_of(getattr(part, "momentum_cycle", False))
        for part in parts_within(spec.schedule)
    )
    still = sorted({one.kind for one in optimizers if one.momentum_field is None})
    if cycles and still:
        yield FieldError(
            "schedule.momentum_cycle",
            f"needs an optimizer with momentum, and {', '.join(still)} has none; "
            "leave it out or use another optimizer",
        )
