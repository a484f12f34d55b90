"""What decides who becomes a member: one checkpoint of a trial, and validation rows alone."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import pytest
from finished_study import FinishedStudy, finished
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter

from hpsearch.ensemble_builder import BuiltEnsemble, build
from hpsearch.ensemble_builder.archive import EnsembleArchive
from hpsearch.ensemble_builder.candidates import describe
from hpsearch.ensemble_builder.selection import equal_weights
from hpsearch.ensembling import predictions
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.wire.ensembles import Candidate, EnsembleResult
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints import multi_run

KINDS = (
    "greedy", "top_k", "reinit", "snapshots", "average", "ema", "swa", "soup_uniform",
    "soup_greedy",
)  # fmt: skip
OF_TRIALS = ("top_k", "reinit", "soup_uniform", "soup_greedy")

Split = Literal["validation", "test"]
Outputs = NDArray[np.float32]


def built(study: FinishedStudy, **request: Any) -> BuiltEnsemble:
    asked: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(request)
    return build(asked, study.spec, study.candidates, study)


def members(result: EnsembleResult) -> list[tuple[int, int]]:
    return [(member.trial, member.epoch) for member in result.members]


def saying(
    study: FinishedStudy,
    victims: Iterable[Candidate],
    split: Split,
    change: Callable[[Outputs], Outputs],
) -> FinishedStudy:
    """The study with other outputs of some candidates, stored properly."""
    stored, listed = {}, {one.checkpoint: one for one in study.candidates}
    for one in victims:
        read = predictions.read(study.predictions(one))
        part = read.validation if split == "validation" else read.test
        assert part is not None
        changed = replace(part, outputs=change(part.outputs))
        content = predictions.write(
            replace(read, validation=changed)
            if split == "validation"
            else replace(read, test=changed)
        )
        stored[one.checkpoint] = content
        digest = sha256(content).hexdigest()
        listed[one.checkpoint] = one.model_copy(update={"predictions_sha256": digest})
    return replace(study.damaged(stored=stored), candidates=tuple(listed.values()))


def not_finite(outputs: Outputs) -> Outputs:
    broken = outputs.copy()
    broken[1, 0] = np.nan
    return broken


def without_best(study: FinishedStudy) -> FinishedStudy:
    """The study as if it had kept other epochs than the best ones."""
    listed = tuple(
        one.model_copy(update={"best": False}) for one in study.candidates if not one.best
    )
    return replace(study, candidates=listed)


@pytest.mark.parametrize("kind", OF_TRIALS)
@pytest.mark.parametrize("metric", [None, "val_loss"])
def test_each_trial_gives_one_checkpoint_where_best_epochs_are_not_kept(
    kind: str, metric: str | None
) -> None:
    study = without_best(finished())
    result = built(study, kind=kind, size=5, metric=metric).result
    trials = [trial for trial, _ in members(result)]
    assert len(trials) == len(set(trials))
    if kind != "soup_greedy":
        assert sorted(trials) == [0, 1, 2, 3, 4]
    latest = {
        trial: max(one.epoch for one in study.candidates if one.trial == trial) for trial in trials
    }
    assert dict(members(result)) == latest
    assert result.best_single.epoch == latest[result.best_single.trial]


def test_a_trial_whose_best_epoch_is_not_kept_comes_after_those_whose_is() -> None:
    study = finished()
    best = min(
        (one for one in study.candidates if one.best),
        key=lambda one: (-(one.value or 0.0), one.trial),
    )
    result = built(study.without([best]), kind="top_k", size=5).result
    assert members(result)[-1][0] == best.trial
    assert sorted(trial for trial, _ in members(result)) == [0, 1, 2, 3, 4]
    assert result.best_single.trial != best.trial
    (said,) = result.warnings
    assert said.startswith(f"the best epoch of trial {best.trial}, whose value is the best, is not")
    assert f"so trial {result.best_single.trial} counts as the best single one" in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 3])
def test_test_outputs_that_are_no_numbers_change_no_choice(kind: str, size: int) -> None:
    study = finished()
    plain = built(study, kind=kind, size=size)
    broken = saying(study, study.candidates, "test", not_finite)
    found = built(broken, kind=kind, size=size)
    assert members(found.result) == members(plain.result)
    assert [m.weight for m in found.result.members] == [m.weight for m in plain.result.members]
    assert found.result.validation == plain.result.validation
    assert found.result.best_single.validation == plain.result.best_single.validation
    with EnsembleArchive(plain.content) as one, EnsembleArchive(found.content) as other:
        assert one.manifest.parts == other.manifest.parts
        assert one.manifest.temperature == other.manifest.temperature
    assert found.result.best_single.test == {}
    assert found.result.intervals == {}
    if kind in ("greedy", "top_k", "reinit", "snapshots"):  # others measure anew
        assert (found.result.test, found.result.mean_member.test) == ({}, {})
        assert (found.result.calibration, found.result.disagreement) == (None, None)
    warned = {text.split(":")[0] for text in found.result.warnings}
    best = found.result.best_single
    assert describe(study.of(best.trial, best.epoch)) in warned
    assert all("test scores that rest on them are missing" in t for t in found.result.warnings)


def test_one_member_without_test_outputs_leaves_the_best_single_one_its_scores() -> None:
    study = finished()
    plain = built(study, kind="top_k", size=3).result
    victim = study.of(*members(plain)[1])
    found = built(saying(study, [victim], "test", not_finite), kind="top_k", size=3).result
    assert found.best_single == plain.best_single
    assert found.best_single.test["accuracy"] > 0
    assert (found.test, found.mean_member.test, found.intervals) == ({}, {}, {})
    (warning,) = found.warnings
    assert warning.startswith(f"{describe(victim)}: test outputs are not all finite")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("ema", "swa")])
def test_validation_outputs_that_are_no_numbers_leave_a_candidate_out(kind: str) -> None:
    study = finished()
    victim = study.of(*members(built(study, kind=kind, size=3).result)[0])
    found = built(saying(study, [victim], "validation", not_finite), kind=kind, size=3)
    (warning, *others) = found.result.warnings
    assert all("counts as the best single one" in other for other in others)
    assert (
        warning == f"{describe(victim)}: its validation outputs are not all finite; it is left out"
    )
    expected = built(study.without([victim]), kind=kind, size=3)
    assert members(found.result) == members(expected.result)
    assert found.content == expected.content


def with_a_broken_copy(study: FinishedStudy, trials: Iterable[int]) -> FinishedStudy:
    """The study whose trials keep an EMA that is no model."""
    contents, listed = {}, {one.checkpoint: one for one in study.candidates}
    for one in study.candidates:
        if one.trial not in trials:
            continue
        saved = checkpoints.read(study.checkpoint(one))
        ema = saved.copies["ema"]
        weights = {name: tensor * float("nan") for name, tensor in ema.weights.items()}
        copies = {**saved.copies, "ema": replace(ema, weights=weights)}
        contents[one.checkpoint] = checkpoints.write(replace(saved, copies=copies))
        digest = sha256(contents[one.checkpoint]).hexdigest()
        read = replace(predictions.read(study.predictions(one)), checkpoint=digest)
        said = predictions.write(read)
        study = study.damaged(stored={one.checkpoint: said})
        listed[one.checkpoint] = one.model_copy(
            update={"sha256": digest, "predictions_sha256": sha256(said).hexdigest()}
        )
    return replace(study.damaged(checkpoints=contents), candidates=tuple(listed.values()))


def test_a_kept_copy_that_says_no_numbers_is_left_out() -> None:
    study = finished()
    trial = built(study, kind="ema").result.members[0].trial
    harmed = with_a_broken_copy(study, [trial])
    result = built(harmed, kind="ema").result
    assert result.members[0].trial != trial
    *left_out, single = result.warnings
    assert left_out
    assert all("its ema weights' validation outputs" in text for text in left_out)
    assert single.startswith(f"the best epoch of trial {trial}, whose value is the best, is not")
    with pytest.raises(TrainingFailed, match=rf"none of trial {trial} is kept \(checkpoint .* ema"):
        built(harmed, kind="ema", trial=trial)


def of_equal_targets() -> FinishedStudy:
    """A study of numbers whose validation targets are all 0.1."""
    study = finished("diabetes", (0.01, 0.03), 2, "val_loss", training=())
    listed, stored = [], {}
    for one in study.candidates:
        read = predictions.read(study.predictions(one))
        alike = np.full_like(read.validation.targets, 0.1)
        changed = replace(read, validation=replace(read.validation, targets=alike))
        stored[one.checkpoint] = predictions.write(changed)
        digest = sha256(stored[one.checkpoint]).hexdigest()
        listed.append(one.model_copy(update={"predictions_sha256": digest}))
    return replace(study, candidates=tuple(listed), stored=stored)


def test_a_metric_that_validation_rows_do_not_have_is_refused() -> None:
    study = of_equal_targets()
    with pytest.raises(TrainingFailed, match=r"val_r2 has none as they are all of equal targets"):
        built(study, kind="top_k", metric="val_r2")
    assert np.isnan(built(study, kind="top_k").result.validation["r2"])


def test_a_greedy_soup_reads_each_checkpoint_a_fixed_number_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not each again for every trial that is tried."""
    read, counted = checkpoints.read, list[int]()

    def counting(blob: bytes) -> checkpoints.Checkpoint:
        counted[-1] += 1
        return read(blob)

    monkeypatch.setattr(checkpoints, "read", counting)
    monkeypatch.setattr(multi_run.checkpoints, "read", counting)
    for trials in (2, 3, 4, 5):
        study = finished()
        study = study.without(one for one in study.candidates if one.trial >= trials)
        counted.append(0)
        # every mean is as good as any other, so that all enter
        monkeypatch.setattr("hpsearch.ensemble_builder.kinds.soups._loss", lambda *_: 0.0)
        assert len(built(study, kind="soup_greedy", size=5).result.members) == trials
    growth = np.diff(counted)
    assert growth.min() == growth.max()


def test_what_memory_does_not_hold_is_refused_before_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = finished()
    monkeypatch.setattr("hpsearch.ensemble_builder.kinds.greedy.free_bytes", lambda _: 10_000)
    with pytest.raises(
        TrainingFailed, match=r"20 checkpoints say of 36 .* GB are free; keep fewer"
    ):
        built(study, kind="greedy")
    assert built(study, kind="top_k").result.members


def strictly(text: str) -> Any:
    """What JSON alone says: NaN is none of its words."""

    def refused(word: str) -> None:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refused)


def test_what_is_undefined_travels_as_text() -> None:
    """R² of equal targets; the manifest and the result are JSON all the same."""
    made = built(of_equal_targets(), kind="top_k", size=2)
    assert strictly(made.result.model_dump_json())["validation"]["r2"] == "NaN"
    with zipfile.ZipFile(io.BytesIO(made.content)) as files:
        document = strictly(files.read("manifest.json").decode())
    assert document["validation"]["r2"] == "NaN"
    with EnsembleArchive(made.content) as archive:
        assert np.isnan(archive.manifest.scores.validation["r2"])


@settings(max_examples=60)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=200))
def test_weights_add_up_to_one_but_for_the_last_bit(counts: list[int]) -> None:
    total = sum(counts)
    assert abs(math.fsum(count / total for count in counts) - 1) <= 2**-52
    candidate = finished().candidates[0]
    weights = [one.weight for one in equal_weights([candidate] * len(counts))]
    assert abs(math.fsum(weights) - 1) <= 2**-52
