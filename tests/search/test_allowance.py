"""What limits still allow to be handed out: whatever trials come to, no limit is passed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hpsearch.search.stopping import Allowance
from hpsearch.spec.study import Limits
from hpsearch.spec.wire.progress import StudyProgress

COUNTS = st.integers(0, 30)
BOUNDS = st.none() | st.integers(1, 30)


@st.composite
def progresses(draw: st.DrawFn) -> StudyProgress:
    ended, running = draw(COUNTS), draw(COUNTS)
    return StudyProgress(
        ended=ended,
        failed=0,
        ended_since_best=draw(st.none() | st.integers(0, ended)),
        epochs_done=draw(COUNTS),
        seconds=0.0,
        running=running,
        epochs_left=draw(COUNTS) if running else 0,
    )


@given(
    trials=BOUNDS, epochs=BOUNDS, stall=BOUNDS, progress=progresses(),
    lengths=st.lists(st.integers(1, 6), max_size=40),
)  # fmt: skip
def test_what_is_handed_out_stays_within_every_limit(
    trials: int | None, epochs: int | None, stall: int | None, progress: StudyProgress,
    lengths: list[int],
) -> None:  # fmt: skip
    limits = Limits(trials=trials, epochs=epochs, stall_trials=stall)
    allowance = Allowance(limits, progress)
    taken = [length for length in lengths if allowance.take(length)]
    running = progress.running + len(taken)
    if taken and trials is not None:
        assert progress.ended + running <= trials
    if taken and epochs is not None:
        # Without the last one the limit is not reached yet: it is the one to be cut short.
        planned = progress.epochs_done + progress.epochs_left + sum(taken)
        assert planned - taken[-1] < epochs
    if taken and stall is not None:
        # The worst case: the first to end becomes the best where there is none, no other does.
        behind = running - 1 if progress.ended_since_best is None else running
        assert (progress.ended_since_best or 0) + behind <= stall


@given(trials=BOUNDS, epochs=BOUNDS, stall=BOUNDS, length=st.integers(1, 6), done=COUNTS)
def test_a_study_below_its_limits_with_nothing_running_is_never_stuck(
    trials: int | None, epochs: int | None, stall: int | None, length: int, done: int
) -> None:
    limits = Limits(trials=trials, epochs=epochs, stall_trials=stall)
    below = min(bound - 1 for bound in (trials or 99, stall or 99, done + 1))
    progress = StudyProgress(
        ended=below, failed=0, ended_since_best=below, seconds=0.0,
        epochs_done=min(done, (epochs or 99) - 1),
    )  # fmt: skip
    assert Allowance(limits, progress).count(5, length) >= 1


@given(length=st.integers(1, 6), left=st.integers(1, 40), most=st.integers(0, 50))
def test_as_many_are_handed_out_at_once_as_one_after_the_other(
    length: int, left: int, most: int
) -> None:
    limits = Limits(epochs=left, trials=12)
    progress = StudyProgress(ended=0, failed=0, ended_since_best=None, epochs_done=0, seconds=0.0)
    one_by_one = Allowance(limits, progress)
    taken = sum(one_by_one.take(length) for _ in range(most))
    assert Allowance(limits, progress).count(most, length) == taken


def test_no_trial_is_handed_out_once_time_is_up() -> None:
    limits = Limits(seconds=10.0)
    progress = StudyProgress(ended=0, failed=0, ended_since_best=None, epochs_done=0, seconds=10.0)
    assert Allowance(limits, progress).count(5, 1) == 0
