"""`study.plot`: the server's figures as Plotly figures, the same that the dashboard draws."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import RootModel

from hpsearch.client.transport import Transport
from hpsearch.optional import require_extra
from hpsearch.plots import FIGURES, Figure
from hpsearch.plots.controls import LogBoxes, controls_of
from hpsearch.spec.language.base import wire_names

if TYPE_CHECKING:
    import plotly.graph_objects as go


class _PlotlyJson(RootModel[dict[str, Any]]):
    """A figure as the server sends it."""


class StudyPlots:
    """Figures of one study: a method for each member of `hpsearch.plots.FIGURES`.

    >>> study.plot.curves("val_loss", top=2, log="y").layout.title.text
    'val_loss by epoch'
    >>> study.plot.scatter(x="optimizer.lr", y="value").layout.title.text
    'val_accuracy × optimizer.lr'

    `help(study.plot.curves)` lists what may be chosen. `log` names the axes to show by decades
    ("x", "y" or "xy"); `True` stands for all that can be.

    Raises:
        MissingPackage: from any of them, where plotly is not installed.
        InvalidInput: for a figure, metric or axis that the study does not have.
        TypeError: for an argument that the figure does not take.
    """

    def __init__(self, transport: Transport, study_id: int) -> None:
        self._transport = transport
        self._study_id = study_id

    def __getattr__(self, name: str) -> Callable[..., go.Figure]:
        if name not in FIGURES:
            raise AttributeError(
                f"a figure must be one of {', '.join(FIGURES)}; got {name[:60]!r}",
                name=name,
                obj=self,
            )
        return self._method(FIGURES[name])

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *FIGURES]

    def __repr__(self) -> str:
        methods = (f".{name}{_argument_names(figure)}" for name, figure in FIGURES.items())
        return f"plots of study {self._study_id}: {' '.join(methods)}"

    def _method(self, figure: Figure[Any]) -> Callable[..., go.Figure]:
        """The method that fetches a figure, with the fields of its query as arguments."""
        signature, names = _signature(figure), wire_names(figure.query)
        controls = controls_of(figure.query)

        def plot(*args: Any, **choices: Any) -> go.Figure:
            try:
                bound = signature.bind(*args, **choices)
            except TypeError as error:
                raise TypeError(f"study.plot.{figure.name}{signature}: {error}") from None
            query = {}
            for field, value in bound.arguments.items():
                control = controls.get(field)
                if isinstance(control, LogBoxes) and isinstance(value, bool):
                    value = control.axes if value else ""
                query[names[field]] = value
            return self._fetch(figure.name, query)

        plot.__name__ = figure.name
        plot.__qualname__ = f"{type(self).__name__}.{figure.name}"
        plot.__doc__ = _documentation(figure)
        plot.__signature__ = signature  # type: ignore[attr-defined]
        return plot

    def _fetch(self, name: str, query: dict[str, Any]) -> go.Figure:
        graph_objects = require_extra("plotly.graph_objects", "notebook", "figures")
        path = f"/studies/{self._study_id}/figures/{name}"
        figure = self._transport.get(path, _PlotlyJson, **query)
        plotted: go.Figure = graph_objects.Figure(figure.root)
        return plotted


def _signature(figure: Figure[Any]) -> inspect.Signature:
    """The arguments of a figure's method: the fields of its query, in their order."""
    controls = controls_of(figure.query)
    by_keyword = {field for field, control in controls.items() if control.keyword_only}
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY
            if name in by_keyword
            else inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=field.default,
        )
        for name, field in figure.query.model_fields.items()
    ]
    return inspect.Signature(sorted(parameters, key=lambda parameter: parameter.kind))


def _documentation(figure: Figure[Any]) -> str:
    """The docstring of a figure's method."""
    fields = figure.query.model_fields.items()
    arguments = [f"    {name}: {field.description}" for name, field in fields]
    return "\n".join([figure.summary, *(["", "Args:", *arguments] if arguments else [])])


def _argument_names(figure: Figure[Any]) -> str:
    """The names of the arguments of a figure's method."""
    return f"({', '.join(figure.query.model_fields)})"
