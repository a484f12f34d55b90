"""Figures of a study as Plotly JSON: a route for each member of `hpsearch.plots.FIGURES`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.parameters import Id
from api.services import ServicesDep
from api.study_reader import StudyReader
from hpsearch.errors import InvalidInput
from hpsearch.plots import FIGURES, Figure, FigureQuery
from hpsearch.spec.language.messages import format_value

router = APIRouter(tags=["figures"])

PATH = "/studies/{study_id:int}/figures/"


def _add_route(figure: Figure[Any]) -> None:
    """Serves a figure; the fields of its query are the parameters of the route."""

    def draw(study_id: Id, services: ServicesDep, query: FigureQuery) -> Response:
        with services.database.read() as session:
            reader = StudyReader(services, session, study_id)
            return Response(reader.figure_json(figure, query), media_type="application/json")

    draw.__annotations__["query"] = Annotated[figure.query, Query()]
    router.add_api_route(
        PATH + figure.name,
        draw,
        name=f"figure_{figure.name}",
        description=f"{figure.summary}\n\nThe answer is a figure as Plotly JSON.",
        response_model=dict[str, Any],
    )


def _refuse_unknown(study_id: Id, name: str) -> Response:
    """Answers that a figure must be one of the table's: those have routes of their own."""
    del study_id
    *others, last = map(repr, FIGURES)
    raise InvalidInput.at(
        "name", f"must be one of {', '.join(others)} or {last}; got {format_value(name)}"
    )


for _figure in FIGURES.values():
    _add_route(_figure)
router.add_api_route(PATH + "{name}", _refuse_unknown, include_in_schema=False)
