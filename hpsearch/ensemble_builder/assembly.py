"""From a request and candidates to a result and a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch

from hpsearch.ensemble_builder import archive
from hpsearch.ensemble_builder.candidates import Candidates, LeftOut, Sources, is_finite
from hpsearch.ensemble_builder.context import Case, Tell, nothing_left
from hpsearch.ensemble_builder.input_columns import column_names, features_of
from hpsearch.ensemble_builder.kinds import choose
from hpsearch.ensemble_builder.manifest import Manifest, MemberEntry, PartEntry
from hpsearch.ensemble_builder.report import Models, fitted_temperature, result_of, weighted
from hpsearch.ensemble_builder.selection import Chosen, Ingredient
from hpsearch.ensembling.predictions import Predictions
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.ensembles import Candidate, EnsembleResult
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.soups import slim
from hpsearch.version import VERSION


@dataclass(frozen=True)
class BuiltEnsemble:
    """An ensemble."""

    result: EnsembleResult
    content: bytes
    """Its file: a zip, see `archive`."""


def build(
    request: EnsembleSpec,
    study: StudySpec,
    candidates: Sequence[Candidate],
    sources: Sources,
    *,
    device: torch.device | str = "cpu",
    on_progress: Tell = lambda done, total, what: None,  # noqa: ARG005
) -> BuiltEnsemble:
    """Builds an ensemble.

    Members are chosen on validation rows alone; test rows are read once they stand.

    Args:
        request: what is asked for.
        study: the study's spec.
        candidates: checkpoints to choose from.
        sources: where their contents come from.
        device: where weights are put to work, if they have to be.
        on_progress: told of steps done, steps in all, and what is being done.

    Raises:
        TrainingFailed: when nothing whole is left, or the candidates do not fit the request.
        InvalidInput: when the request does not fit the targets.
    """
    case = Case(request, study, Candidates(candidates, sources, device), device, on_progress)
    while True:
        try:
            return _built(case)
        except LeftOut:
            continue


@dataclass(frozen=True)
class _Material:
    """What an ensemble is put together from."""

    members: Sequence[tuple[Ingredient, Predictions]]
    """Checkpoints with what each predicts alone."""
    models: Models
    blobs: dict[str, bytes]
    """The models' weights by file."""


def _built(case: Case) -> BuiltEnsemble:
    single = _best_single(case)
    chosen = choose(case)
    made = _averaged(case, chosen, chosen.averaged) if chosen.averaged else _beside(case, chosen)
    case.tell(0, 1, "measuring")
    temperature = fitted_temperature(made.models)
    result = result_of(
        made.models,
        made.members,
        single,
        temperature=temperature,
        candidates=len(case.candidates.whole),
        seed=case.study.seed,
        warnings=[*case.candidates.warnings, *_of_another_trial(case, single[0]), *chosen.notes],
    )
    manifest = _manifest(case, made, result, temperature)
    return BuiltEnsemble(result, archive.write(manifest, made.blobs))


def _averaged(case: Case, chosen: Chosen, content: bytes) -> _Material:
    """One model, made of the members' weights."""
    first = chosen.ingredients[0]
    together = case.candidates.predicted(content, first.candidate)
    if not is_finite(together.validation):
        if len(chosen.ingredients) == 1:
            what = "its" if first.copy == "raw" else f"its {first.copy} weights'"
            case.candidates.leave_out(
                first.candidate, f"{what} validation outputs are not all finite"
            )
            raise LeftOut
        raise TrainingFailed(
            "averaged weights must say finite numbers of validation rows, and those of "
            f"{len(chosen.ingredients)} checkpoints do not; average fewer of them"
        )
    members = [(first, together)]
    if len(chosen.ingredients) > 1:
        members = _read(case, chosen)
    blobs = {f"parts/{case.request.kind}.safetensors": slim(content)}
    return _Material(members, Models([together], np.ones(1), "mean"), blobs)


def _beside(case: Case, chosen: Chosen) -> _Material:
    """The members as models beside each other."""
    members = _read(case, chosen)
    if case.request.combine == "weighted":
        weights = weighted([found for _, found in members])
        members = [
            (replace(one, weight=float(weight)), found)
            for (one, found), weight in zip(members, weights, strict=True)
            if weight > 0
        ]
    blobs = {}
    for place, (one, _) in enumerate(members):
        case.tell(place, len(members), "reading the members")
        blobs[_file(one.candidate)] = slim(case.candidates.checkpoint(one.candidate))
    shares = np.array([one.weight for one, _ in members])
    return _Material(
        members, Models([found for _, found in members], shares, case.request.combine), blobs
    )


def _read(case: Case, chosen: Chosen) -> list[tuple[Ingredient, Predictions]]:
    """Members with what each predicts alone."""
    members = []
    for one in chosen.ingredients:
        found = case.candidates.predictions(one.candidate)
        if found is None:
            raise LeftOut
        members.append((one, found))
    return members


def _best_single(case: Case) -> tuple[Candidate, Predictions]:
    """The best trial's checkpoint by the study's objective; its rows are everybody's."""
    for one in case.representatives():
        found = case.candidates.predictions(one)
        if found is not None:
            return one, found
    raise nothing_left(case)


def _of_another_trial(case: Case, single: Candidate) -> list[str]:
    """Why another trial than the study's best one stands for the best single one."""
    complete = [one for one in case.candidates.listed if one.complete]
    best = case.by_value(complete)[0] if complete else single
    if best.trial == single.trial:
        return []
    return [
        f"the best epoch of trial {best.trial}, whose value is the best, is not kept or not whole, "
        f"so trial {single.trial} counts as the best single one; have checkpoints.keep hold best"
    ]


def _file(candidate: Candidate) -> str:
    return f"parts/trial-{candidate.trial}-epoch-{candidate.epoch}.safetensors"


def _manifest(
    case: Case, made: _Material, result: EnsembleResult, temperature: float | None
) -> Manifest:
    files = list(made.blobs)
    is_one = len(files) < len(result.members)
    first = multi_run.run_checkpoints(made.blobs[files[0]])[0]
    return Manifest(
        hpsearch=VERSION,
        study=case.study.name,
        kind=case.request.kind,
        combine=made.models.how,
        classes=made.models.predictions[0].classes,
        features=features_of(case.study, first),
        columns=column_names(first),
        target="classes" if made.models.of_classes else "numbers",
        temperature=temperature,
        members=tuple(
            MemberEntry(
                trial=one.trial,
                epoch=one.epoch,
                weight=one.weight,
                copy=one.copy_,
                part=files[0 if is_one else place],
            )
            for place, one in enumerate(result.members)
        ),
        parts=tuple(
            PartEntry(file=name, sha256=sha256(blob).hexdigest(), weight=float(weight))
            for (name, blob), weight in zip(made.blobs.items(), made.models.weights, strict=True)
        ),
        validation=result.validation,
        test=result.test,
    )
