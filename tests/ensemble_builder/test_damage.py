from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from finished_study import FinishedStudy, finished
from pydantic import TypeAdapter

from hpsearch.ensemble_builder import BuiltEnsemble, build
from hpsearch.ensemble_builder.candidates import describe
from hpsearch.ensembling import predictions
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.wire.ensembles import Candidate, EnsembleResult


def built(study: FinishedStudy, kind: str, **request: Any) -> BuiltEnsemble:
    asked: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python({"kind": kind, **request})
    return build(asked, study.spec, study.candidates, study)


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def first_member(result: EnsembleResult, study: FinishedStudy) -> Candidate:
    return study.of(result.members[0].trial, result.members[0].epoch)


def without_warnings(built: BuiltEnsemble) -> tuple[EnsembleResult, bytes]:
    return built.result.model_copy(update={"warnings": []}), built.content


@pytest.mark.parametrize("kind", ["greedy", "top_k", "snapshots", "average", "soup_uniform"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "swapped", "missing"])
def test_a_damaged_checkpoint_is_named_and_the_rest_goes_on(kind: str, damage: str) -> None:
    study = finished()
    victim = first_member(built(study, kind, size=3).result, study)
    content = study.checkpoint(victim)
    other = study.of(victim.trial, (victim.epoch + 1) % 4)
    if damage == "missing":
        kept = {n: blob for n, blob in study.checkpoints.items() if n != victim.checkpoint}
        harmed = replace(study, checkpoints=kept)
    else:
        contents = {
            "flipped": flipped(content), "cut": content[:-7], "swapped": study.checkpoint(other),
        }  # fmt: skip
        harmed = study.damaged(checkpoints={victim.checkpoint: contents[damage]})
    found = built(harmed, kind, size=3)
    (warning, *others) = found.result.warnings
    assert all("counts as the best single one" in other for other in others)
    assert warning.startswith(f"{describe(victim)}: ")
    assert warning.endswith("; it is left out")
    assert without_warnings(found) == without_warnings(built(study.without([victim]), kind, size=3))


@pytest.mark.parametrize("damage", ["flipped", "cut", "swapped", "missing", "never stored"])
def test_damaged_predictions_are_made_again(damage: str) -> None:
    study = finished()
    victim = first_member(built(study, "greedy", size=3).result, study)
    content = study.predictions(victim)
    other = study.of(victim.trial, (victim.epoch + 1) % 4)
    if damage == "missing":
        kept = {n: blob for n, blob in study.stored.items() if n != victim.checkpoint}
        harmed = replace(study, stored=kept)
    elif damage == "never stored":
        bare = victim.model_copy(update={"predictions_sha256": None})
        listed = [bare if one is victim else one for one in study.candidates]
        harmed = replace(study, candidates=tuple(listed))
    else:
        contents = {
            "flipped": flipped(content), "cut": content[:-7], "swapped": study.predictions(other),
        }  # fmt: skip
        harmed = study.damaged(stored={victim.checkpoint: contents[damage]})
    found = built(harmed, "greedy", size=3)
    (warning,) = found.result.warnings
    if damage == "never stored":
        assert warning.startswith("predictions of 1 checkpoint were not stored")
    else:
        assert warning.startswith(f"{describe(victim)}: ")
        assert "made again" in warning
    assert without_warnings(found) == without_warnings(built(study, "greedy", size=3))


def test_predictions_of_another_checkpoint_are_found_though_their_hash_is_right() -> None:
    study = finished()
    victim = first_member(built(study, "greedy", size=3).result, study)
    content = study.predictions(study.of(victim.trial, (victim.epoch + 1) % 4))
    harmed = study.damaged(stored={victim.checkpoint: content})
    digest = sha256(content).hexdigest()
    listed = [
        one.model_copy(update={"predictions_sha256": digest}) if one is victim else one
        for one in study.candidates
    ]
    found = built(replace(harmed, candidates=tuple(listed)), "greedy", size=3)
    assert "are those of trial" in found.result.warnings[0]
    assert without_warnings(found) == without_warnings(built(study, "greedy", size=3))


def changed(study: FinishedStudy, victim: Candidate, **parts: Any) -> FinishedStudy:
    """The study with other predictions of one candidate, stored properly."""
    content = predictions.write(replace(predictions.read(study.predictions(victim)), **parts))
    digest = sha256(content).hexdigest()
    listed = [
        one.model_copy(update={"predictions_sha256": digest}) if one is victim else one
        for one in study.candidates
    ]
    harmed = study.damaged(stored={victim.checkpoint: content})
    return replace(harmed, candidates=tuple(listed))


@pytest.mark.parametrize("what", ["rows", "targets", "infinite", "no test"])
def test_predictions_that_do_not_fit_the_others_are_left_out(what: str) -> None:
    study = finished()
    result = built(study, "greedy", size=3).result
    victim = next(
        study.of(m.trial, m.epoch)
        for m in result.members
        if (m.trial, m.epoch) != (result.best_single.trial, result.best_single.epoch)
    )
    part = predictions.read(study.predictions(victim)).validation
    parts: dict[str, Any] = {
        "rows": {"validation": replace(part, rows=part.rows + 1)},
        "targets": {"validation": replace(part, targets=(part.targets + 1) % 3)},
        "infinite": {"validation": replace(part, outputs=part.outputs * float("inf"))},
        "no test": {"test": None},
    }[what]
    found = built(changed(study, victim, **parts), "greedy", size=3)
    (warning,) = found.result.warnings
    assert warning.startswith(f"{describe(victim)}: ")
    assert without_warnings(found) == without_warnings(
        built(study.without([victim]), "greedy", size=3)
    )


@pytest.mark.parametrize("kind", ["greedy", "average", "soup_greedy"])
def test_nothing_whole_is_refused_in_a_sentence(kind: str) -> None:
    study = replace(finished(), checkpoints={}, stored={})
    with pytest.raises(TrainingFailed, match="needs at least one whole checkpoint, got none"):
        built(study, kind)
    with pytest.raises(TrainingFailed, match="train some trials, and keep their checkpoints"):
        built(replace(study, candidates=()), kind)
