"""From a request and candidates to a result and a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import torch

from hpsearch.ensemble_builder import archive
from hpsearch.ensemble_builder.candidates import Candidates, Sources
from hpsearch.ensemble_builder.context import BuildContext, ReportProgress
from hpsearch.ensemble_builder.input_columns import column_names, features_of
from hpsearch.ensemble_builder.manifest import (
    FACTORS_VERSION,
    Manifest,
    MemberEntry,
    PartEntry,
)
from hpsearch.ensemble_builder.manifest import VERSION as VERSION_OF_FILE
from hpsearch.ensemble_builder.measurement import fit_temperature, measure
from hpsearch.ensemble_builder.metric_functions import scores_alone
from hpsearch.ensemble_builder.objective import headline_of, objective_of, warnings_of
from hpsearch.ensemble_builder.parts import BuildParts, averaged_model, separate_models
from hpsearch.ensemble_builder.ranking import best_single, by_objective, nothing_usable
from hpsearch.ensemble_builder.selection import Selection
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.ensembles.base import SingleTrialEnsemble
from hpsearch.spec.language.family import implementation
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.ensembles import Candidate, EnsembleResult
from hpsearch.training.checkpoints import multi_run
from hpsearch.version import VERSION


@dataclass(frozen=True)
class BuiltEnsemble:
    """An ensemble with its file."""

    result: EnsembleResult
    content: bytes
    """The file: a zip, see `archive`."""


def build(
    request: EnsembleSpec,
    study: StudySpec,
    candidates: Sequence[Candidate],
    sources: Sources,
    *,
    device: torch.device | str = "cpu",
    on_progress: ReportProgress = lambda done, total, what: None,  # noqa: ARG005
) -> BuiltEnsemble:
    """Builds an ensemble.

    Members are selected on validation rows alone; test rows are read once they stand. A member that
    turns out to be damaged is dropped, and members are selected again among the candidates left.

    Args:
        request: what is asked for.
        study: the study's spec.
        candidates: checkpoints to choose from.
        sources: where their contents come from.
        device: where weights are put to work, if they have to be.
        on_progress: called with steps done, steps in all, and what is being done.

    Raises:
        TrainingFailed: when nothing whole is left, or the candidates do not fit the request.
        InvalidInput: when the request does not fit the targets.
    """
    context = BuildContext(study, Candidates(candidates, sources, device), device, on_progress)
    select: Callable[[EnsembleSpec, BuildContext], Selection | None]
    select = implementation(type(request))
    while context.candidates.usable:
        single = best_single(context)
        if single is None:
            continue  # a candidate was dropped
        headline = headline_of(study, scores_alone(study, single[1], single[1].validation))
        context = replace(context, metric=f"val_{headline}")
        selection = select(request, context)
        if selection is None:
            continue
        if selection.averaged is None:
            parts = separate_models(request, context, selection)
        else:
            parts = averaged_model(request, context, selection, selection.averaged)
        if parts is None:
            continue
        context.report_progress(0, 1, "measuring")
        parts = parts.with_label_factors(headline)
        temperature = fit_temperature(parts)
        result = measure(
            study,
            parts,
            single,
            headline=headline,
            chosen_by=selection.metric or _chosen_by_trials(request, study),
            temperature=temperature,
            candidates=len(context.candidates.usable),
            warnings=[
                *context.candidates.warnings,
                *_other_best_trial(context, single[0]),
                *warnings_of(study, headline),
                *selection.notes,
                *_on_label_factors(parts, headline),
            ],
        )
        manifest = _manifest(request, study, parts, result, temperature)
        return BuiltEnsemble(result, archive.write(manifest, parts.files))
    raise nothing_usable(context.candidates)


def _chosen_by_trials(request: EnsembleSpec, study: StudySpec) -> str | None:
    """The metric by which trials were ranked; none where a person named the trial."""
    if isinstance(request, SingleTrialEnsemble):
        return None if request.trial is not None else objective_of(study).metric
    return request.metric or objective_of(study).metric


def _on_label_factors(parts: BuildParts, headline: str) -> list[str]:
    """That classes are named by other than the largest probability."""
    factors, classes = parts.label_factors, parts.models[0].classes
    if factors is None:
        return []
    if len(factors) == 2:
        name = classes[1] if classes else "the second class"
        how = f"{name} where its probability is above {factors[0]:.3g}"
    else:
        how = "the class whose probability times a factor is the largest"
    return [
        f"for {headline} the ensemble names {how}, in place of the likeliest class, so that the "
        "validation rows are named each class as often as they have it"
    ]


def _other_best_trial(context: BuildContext, single: Candidate) -> list[str]:
    """Why another trial than the study's best one stands for the best single one."""
    complete = [candidate for candidate in context.candidates.listed if candidate.complete]
    best = by_objective(context.study, complete)[0] if complete else single
    if best.trial == single.trial:
        return []
    return [
        f"the best epoch of trial {best.trial}, whose value is the best, is not kept or not whole, "
        f"so trial {single.trial} counts as the best single one; have checkpoints.keep hold best"
    ]


def _manifest(
    request: EnsembleSpec,
    study: StudySpec,
    parts: BuildParts,
    result: EnsembleResult,
    temperature: float | None,
) -> Manifest:
    files = list(parts.files)
    is_averaged = len(files) < len(result.members)
    first_run = multi_run.run_checkpoints(parts.files[files[0]])[0]
    return Manifest(
        hpsearch=VERSION,
        study=study.name,
        kind=request.kind,
        combine=parts.combine,
        classes=parts.models[0].classes,
        class_type=first_run.class_type,
        version=VERSION_OF_FILE if parts.label_factors is None else FACTORS_VERSION,
        label_factors=None if parts.label_factors is None else tuple(parts.label_factors.tolist()),
        features=features_of(study, first_run),
        columns=column_names(first_run),
        target="classes" if parts.is_classification else "numbers",
        temperature=temperature,
        members=tuple(
            MemberEntry(
                trial=member.trial,
                epoch=member.epoch,
                weight=member.weight,
                copy=member.copy_,
                part=files[0 if is_averaged else index],
            )
            for index, member in enumerate(result.members)
        ),
        parts=tuple(
            PartEntry(file=name, sha256=sha256(content).hexdigest(), weight=float(weight))
            for (name, content), weight in zip(parts.files.items(), parts.weights, strict=True)
        ),
        headline=result.headline,
        validation=result.validation,
        test=result.test,
    )
