"""Coarse to fine with real processes: a best rate outside of the submitted range is found."""

from __future__ import annotations

from processes import Service

from hpsearch.example_files import example
from hpsearch.spec.language.states import EventKind, StudyState


def test_a_rate_outside_of_the_range_is_found_and_the_log_and_the_page_say_so(
    service: Service,
) -> None:
    with service.client() as client:
        study = client.submit(example("coarse_to_fine.yaml")).wait(120)
        assert study.state is StudyState.COMPLETE
        best = study.best_trial
        assert best is not None
        assert best.params["optimizer.lr"] > 3e-3
        assert best.value is not None
        inside = [trial.value for trial in study.trials() if trial.stage == 0 and trial.value]
        assert best.value < min(inside) / 4
        assert [stage.trials for stage in study.record.stages] == [16, 16, 8, 4]
        assert all(stage.finished_at is not None for stage in study.record.stages)
        changes = [change for stage in study.record.stages for change in stage.changes]
        extended = [c for c in changes if (c.parameter, c.kind) == ("optimizer.lr", "extended")]
        assert extended[0].after["log_uniform"][1] > 1e-3
        told = [event for event in study.events() if event.kind is EventKind.RANGE_EXTENDED]
        assert any("optimizer.lr" in event.message for event in told)
    page = service.page(f"/studies/{study.id}")
    assert "extended to" in page
    assert extended[0].reason in page
