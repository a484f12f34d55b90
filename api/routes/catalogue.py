"""What can be asked for: the schema of a spec."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from hpsearch.spec.study import StudySpec

router = APIRouter(tags=["catalogue"])


@router.get("/schema", response_class=JSONResponse)
def schema() -> Response:
    """The JSON Schema of a study spec."""
    return JSONResponse(StudySpec.model_json_schema())
