"""What a study's trials say of its search space: where to extend it, and what to fix."""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.advice.border import borders
from hpsearch.advice.insensitive import insensitive
from hpsearch.advice.ranking import comparable
from hpsearch.spec.space.space import SearchSpace
from hpsearch.spec.wire.advice import Diagnosis
from hpsearch.spec.wire.observation import Observation


def advise(space: SearchSpace, tried: Sequence[Observation]) -> Diagnosis:
    """All findings, warnings first.

    Args:
        space: as it was submitted.
        tried: the study's trials.
    """
    findings = borders(space, tried)
    warned = {finding.parameter for finding in findings if finding.severity == "warning"}
    findings += [
        finding for finding in insensitive(space, tried) if finding.parameter not in warned
    ]
    findings.sort(key=lambda finding: finding.severity != "warning")
    return Diagnosis(trials=len(comparable(tried)), findings=findings)
