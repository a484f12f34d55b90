"""`manifest.json`: what is in an ensemble's file, checked when it is read."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.errors import CorruptArtifact
from hpsearch.spec.ensembles.base import MOST_MEMBERS, Combine
from hpsearch.spec.language.base import Record
from hpsearch.spec.language.fields import Metrics
from hpsearch.spec.language.messages import explain, format_value
from hpsearch.spec.wire.ensemble_scores import EnsembleScores, with_headline
from hpsearch.spec.wire.ensembles import Copy
from hpsearch.spec.wire.upload import ClassType
from hpsearch.training.data.class_values import class_values

NAME = "manifest.json"
FORMAT: Literal["hpsearch-ensemble"] = "hpsearch-ensemble"
VERSION: Literal[1] = 1
FACTORS_VERSION: Literal[2] = 2
"""Of a file with `label_factors`: releases that know none would name other classes."""

Weight = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
File = Annotated[str, Field(pattern=r"^parts/[a-z0-9_-]{1,80}\.safetensors$")]
"""A path below the manifest's directory, without any way out of it."""


class MemberEntry(Record):
    """A checkpoint in the ensemble; the weights of all members add up to 1."""

    trial: Annotated[int, Field(ge=0)]
    epoch: Annotated[int, Field(ge=0)]
    weight: Weight
    copy_: Copy = Field(default="raw", alias="copy")
    part: File
    """The file that holds it, alone or averaged with others."""


class PartEntry(Record):
    """A model of the ensemble: a file of weights."""

    file: File
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    weight: Weight


class Manifest(Record):
    """All of an ensemble but the weights."""

    format: Literal["hpsearch-ensemble"] = FORMAT
    version: Literal[1, 2] = VERSION
    hpsearch: Annotated[str, Field(max_length=100)]
    """The release that wrote it."""
    study: Annotated[str, Field(max_length=200)]
    """The study's name."""
    kind: Annotated[str, Field(max_length=100)]
    combine: Combine
    classes: Annotated[tuple[str, ...], Field(max_length=1_000_000)]
    """Names in the order of the outputs."""
    class_type: ClassType = "text"
    """Of the values that the names stand for: what predictions give back."""
    features: (
        Annotated[tuple[Annotated[int, Field(ge=1, le=2**31 - 1)], ...], Field(min_length=1)] | None
    )
    """Shape of a row, where the data are not a plug-in's own."""
    columns: tuple[str, ...] = ()
    """Of an uploaded table; rows map them to values."""
    target: Literal["classes", "numbers"]
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """What makes probabilities calibrated; fitted on validation rows."""
    label_factors: tuple[Annotated[float, Field(gt=0, le=1)], ...] | None = None
    """What probabilities are multiplied by before the largest one names the class; fitted on
    validation rows. None: the likeliest class is named."""
    members: Annotated[tuple[MemberEntry, ...], Field(min_length=1, max_length=100_000)]
    parts: Annotated[tuple[PartEntry, ...], Field(min_length=1, max_length=MOST_MEMBERS)]
    headline: str | None = None
    """The metric to show first, by its bare name."""
    validation: Metrics = {}
    test: Metrics = {}

    @property
    def scores(self) -> EnsembleScores:
        """The ensemble's scores when it was built."""
        return EnsembleScores(validation=self.validation, test=self.test, headline=self.headline)

    @model_validator(mode="before")
    @classmethod
    def _headline_of_earlier_releases(cls, data: Any) -> Any:
        return with_headline(data)

    @model_validator(mode="after")
    def _files_are_unique(self) -> Self:
        files = [part.file for part in self.parts]
        if len(set(files)) != len(files):
            raise PydanticCustomError("repeated_part", "must name each file of parts once")
        if strange := {member.part for member in self.members}.difference(files):
            raise PydanticCustomError(
                "unknown_part", "must list {part} among its parts", {"part": min(strange)}
            )
        return self


def _contradiction(manifest: Manifest) -> str | None:
    """How the classes or the way to combine contradict what the targets are; none where neither."""
    is_classification = manifest.target == "classes"
    if manifest.features is not None and is_classification != bool(manifest.classes):
        return (
            f"classes: must be {'there' if is_classification else 'left out'} for {manifest.target}"
        )
    try:
        class_values(manifest.classes, manifest.class_type)
    except ValueError as error:
        return f"class_type: must be that of the classes, got {manifest.class_type} ({error})"
    factors = manifest.label_factors
    if factors is not None and len(factors) != len(manifest.classes):
        return f"label_factors: must be one for each class, got {len(factors)}"
    if manifest.combine == ("median" if is_classification else "vote"):
        return f"combine: must be another for {manifest.target}, got {manifest.combine}"
    return None


def write(manifest: Manifest) -> bytes:
    """A manifest's JSON, the same bytes each time."""
    document = json.loads(manifest.model_dump_json(by_alias=True))  # NaN as a text
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def read(content: bytes) -> Manifest:
    """The manifest that JSON holds.

    Raises:
        CorruptArtifact: when it is no manifest, breaks a rule, or is of another format version.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _refused(f"it cannot be read as JSON ({error})") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _refused(f"it does not say that its format is {FORMAT}")
    if document.get("version") not in (VERSION, FACTORS_VERSION):
        raise CorruptArtifact(
            f"an ensemble must be of format version {VERSION} or {FACTORS_VERSION}, got "
            f"{format_value(document.get('version'))}; read it with the release that wrote it"
        )
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        raise _refused(str(explain(error).errors[0])) from None
    if contradiction := _contradiction(manifest):
        raise _refused(contradiction)
    return manifest


def _refused(reason: str) -> CorruptArtifact:
    return CorruptArtifact(
        f"an ensemble's {NAME} must be one that this product wrote, but {reason}; "
        "download the ensemble again"
    )
