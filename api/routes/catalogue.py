"""What can be asked for: data sets, and the schema of a spec."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.requests import answer
from hpsearch.errors import NotFound
from hpsearch.spec.base import Record
from hpsearch.spec.dataset import BUILT_IN, DatasetInfo
from hpsearch.spec.study import StudySpec

router = APIRouter(tags=["catalogue"])


class DatasetList(Record):
    """The data sets that a task may name."""

    datasets: list[DatasetInfo]


@router.get("/datasets", response_model=DatasetList)
def datasets() -> Response:
    """All data sets."""
    return answer(DatasetList(datasets=list(BUILT_IN.values())))


@router.get("/datasets/{name}", response_model=DatasetInfo)
def dataset(name: str) -> Response:
    """One data set."""
    if name not in BUILT_IN:
        raise NotFound(
            f"a data set must exist to be used, and none is called {name!r}; "
            f"there are {', '.join(BUILT_IN)}"
        )
    return answer(BUILT_IN[name])


@router.get("/schema", response_class=JSONResponse)
def schema() -> Response:
    """The JSON Schema of a study spec."""
    return JSONResponse(StudySpec.model_json_schema())
