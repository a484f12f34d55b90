"""`study.plot`: the server's figures as Plotly figures, the same that the dashboard draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import RootModel

from hpsearch.client.transport import Transport
from hpsearch.optional import require_extra
from hpsearch.spec.wire.advice import Evaluator, Target

if TYPE_CHECKING:
    import plotly.graph_objects as go


class _Figure(RootModel[dict[str, Any]]):
    """Plotly JSON."""


class StudyPlots:
    """Figures of one study.

    Raises:
        MissingPackage: from any of them, where plotly is not installed.
        InvalidInput: for a metric or axis that the study does not have.
    """

    def __init__(self, transport: Transport, study_id: int) -> None:
        self._transport = transport
        self._study_id = study_id

    def curves(self, metric: str | None = None, *, top: int = 20, log: str = "") -> go.Figure:
        """Learning curves of the best trials.

        Args:
            metric: none takes the objective's.
            top: how many trials, at most 100.
            log: axes to show by decades: "x", "y" or "xy".
        """
        return self._fetch("curves", metric=metric, top=top, log=log)

    def scatter(self, x: str | None = None, y: str | None = None) -> go.Figure:
        """Trials over two parameters (or `value`), coloured by the objective.

        Args:
            x: across; none takes the learning rate where that is searched.
            y: upward; none takes weight decay where that is searched.
        """
        return self._fetch("scatter", x=x, y=y)

    def history(self, *, log: bool = False) -> go.Figure:
        """Every trial's value by number, and the best so far; `log` for a value axis by decades."""
        return self._fetch("history", log="y" if log else "")

    def trial(self, number: int, panel: str | None = None) -> go.Figure:
        """Curves of one trial that share an axis: `loss`, `accuracy`, or a metric's name."""
        return self._fetch("trial", trial=number, panel=panel)

    def importances(
        self, evaluator: Evaluator = "ped_anova", target: Target = "value"
    ) -> go.Figure:
        """How much each parameter decides, as `study.importances` says."""
        return self._fetch("importances", evaluator=evaluator, target=target)

    def _fetch(self, name: str, **query: Any) -> go.Figure:
        graph_objects = require_extra("plotly.graph_objects", "notebook", "figures")
        figure = self._transport.get(f"/studies/{self._study_id}/figures/{name}", _Figure, **query)
        drawn: go.Figure = graph_objects.Figure(figure.root)
        return drawn

    def __repr__(self) -> str:
        return f"plots of study {self._study_id}: .curves() .scatter() .history() .trial(number)"
