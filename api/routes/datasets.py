"""Data sets: built-in and uploaded."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile

from api.responses import artifact_response, json_response
from api.services import Services, ServicesDep
from api.uploads import InspectionDep, UploadDep, UploadForm, form_body
from hpsearch.errors import InvalidInput
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.task import LARGEST_VERSION
from hpsearch.spec.wire.datasets import BUILT_IN, Dataset, DatasetInfo, DatasetList
from hpsearch.spec.wire.upload import DATASET_NAME
from hpsearch.store import datasets
from hpsearch.store.checkpoints import StoredArtifact

router = APIRouter(tags=["datasets"])

Name = Annotated[str, InPath(max_length=200)]
Version = Annotated[
    int | None,
    Query(ge=1, le=LARGEST_VERSION, description="of an uploaded data set; the newest if left out"),
]
BLOCK_BYTES = 1 << 20
FOLDER = "datasets"
"""Of the artifact store; each file in it is named by its hash."""


@router.post(
    "/datasets",
    status_code=201,
    response_model=Dataset,
    openapi_extra=form_body("name", "file"),
    responses={200: {"model": Dataset, "description": "The very same is there already."}},
)
def add(form: UploadDep, services: ServicesDep) -> Response:
    """Stores a data set after reading it; the same one again changes nothing.

    Another one under a name that is in use is refused, or with `replace` its next version.
    """
    _check_name(form.name)
    with _draft(form, services) as draft:
        dataset = _read(draft, form, needs_target=True)
        key = f"{FOLDER}/{dataset.sha256}"
        artifact = StoredArtifact(key, dataset.size_bytes, dataset.sha256)
        with services.database.write() as session:
            datasets.lock(session)
            record, created = datasets.add(session, dataset, artifact, replace=form.replace)
            if created or not services.artifacts.path(key).exists():
                services.artifacts.publish(draft, key, artifact)
    return json_response(record, 201 if created else 200)


@router.post("/datasets:inspect", response_model=Dataset, openapi_extra=form_body("file"))
def inspect(form: InspectionDep, services: ServicesDep) -> Response:
    """What an upload would become; stores nothing.

    A name and a target are not needed: without a target the answer's is `none`.
    """
    if form.name:
        _check_name(form.name)
    with _draft(form, services) as draft:
        return json_response(_read(draft, form, needs_target=False))


@router.get("/datasets", response_model=DatasetList)
def page(services: ServicesDep) -> Response:
    """All data sets: the built-in ones, then the newest versions of those uploaded, by name."""
    with services.database.read() as session:
        uploaded = datasets.list_all(session)
    return json_response(DatasetList(datasets=[*BUILT_IN.values(), *uploaded]))


@router.get("/datasets/{name}", response_model=Dataset | DatasetInfo)
def get(name: Name, services: ServicesDep, version: Version = None) -> Response:
    """One data set, in the newest version unless another one is asked for."""
    if name in BUILT_IN and version is None:
        return json_response(BUILT_IN[name])
    _check_uploaded(name)
    with services.database.read() as session:
        return json_response(datasets.get(session, name, version)[0])


@router.get("/datasets/{name}/artifact", response_class=FileResponse)
def artifact(name: Name, services: ServicesDep, version: Version = None) -> Response:
    """An uploaded data set's file; its sha256 is in `X-Content-Sha256`."""
    _check_uploaded(name)
    with services.database.read() as session:
        stored = datasets.get(session, name, version)[1]
    return artifact_response(services, stored, name, f"data set {name}", "upload it again")


@router.delete("/datasets/{name}", status_code=204)
def remove(name: Name, services: ServicesDep, version: Version = None) -> Response:
    """Removes an uploaded data set that no open study trains on, in one version or in all."""
    _check_uploaded(name)
    with services.database.write() as session:
        removed = datasets.remove(session, name, version)
    with services.database.write() as session:
        datasets.lock(session)
        for stored in removed:
            if not datasets.is_referenced(session, stored):
                services.artifacts.delete(stored.key)
    return Response(status_code=204)


def _check_name(name: str) -> None:
    if name in BUILT_IN:
        raise InvalidInput.at("name", f"must be no built-in data set's, got {name}; choose another")
    if not re.fullmatch(DATASET_NAME, name):
        raise InvalidInput.at(
            "name",
            "must be a small letter and up to 99 more of a-z, 0-9, _ and -, "
            f"got {format_value(name)}; choose another",
        )


def _check_uploaded(name: str) -> None:
    if name in BUILT_IN:
        raise InvalidInput.at("name", f"must be an uploaded data set's, and {name} is built in")


@contextmanager
def _draft(form: UploadForm, services: Services) -> Iterator[Path]:
    """The uploaded file on disk, removed at the end unless it is published."""
    size_bytes = sum(file.size or 0 for file in form.files)
    if size_bytes > services.max_dataset_bytes:
        raise InvalidInput.at(
            "file",
            f"must have at most {services.max_dataset_bytes} bytes, got {size_bytes}; send less "
            "or raise HPSEARCH_MAX_DATASET_BYTES on the server",
        )
    with services.artifacts.draft(f"{FOLDER}/new", size_bytes) as draft:
        _write(draft, form.files)
        yield draft


def _write(draft: Path, files: list[UploadFile]) -> None:
    """One file as it is; several packed together, the same bytes whenever they are the same."""
    if len(files) == 1:
        with draft.open("wb") as out:
            shutil.copyfileobj(files[0].file, out, BLOCK_BYTES)
        return
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as packed:
        for file in sorted(files, key=_file_name):
            member = zipfile.ZipInfo(_file_name(file))
            with packed.open(member, "w", force_zip64=True) as out:
                shutil.copyfileobj(file.file, out, BLOCK_BYTES)


def _file_name(file: UploadFile) -> str:
    """The last part of the name that was sent, without folders."""
    return re.split(r"[/\\]", file.filename or "")[-1] or "file"


def _read(draft: Path, form: UploadForm, *, needs_target: bool) -> Dataset:
    """The data set that a file holds, in bounded memory.

    Raises:
        InvalidInput: when the file cannot be read as one.
    """
    # Imported here: a server that is sent no data needs no reader.
    from hpsearch.training.uploads.formats import describe_file, format_of
    from hpsearch.training.uploads.read_options import ReadOptions

    name = _file_name(form.files[0]) if len(form.files) == 1 else "files.zip"
    options = ReadOptions(
        format_of(draft, name, form.format),
        form.target,
        form.columns,
        needs_target=needs_target,
    )
    info: dict[str, Any] = describe_file(draft, options, form.name).model_dump()
    with draft.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Dataset(
        **info,
        sha256=sha256,
        size_bytes=draft.stat().st_size,
        format=options.format,
        target_column=options.target,
        uses=form.columns,
    )
