"""A study's figures as its page shows them: a card for each, with a control for each choice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpsearch.plots import FIGURES, Figure, StudyData
from hpsearch.plots.controls import Control, LogBoxes, Option, controls_of
from hpsearch.spec.language.base import wire_names


@dataclass(frozen=True)
class CardControl:
    """A control, set as the page's address says."""

    key: str
    """The parameter of the address that it sets."""
    control: Control
    options: Sequence[Option]
    chosen: str
    """The name of the chosen option; of boxes, the names of all that are ticked, in one word."""

    @property
    def is_boxes(self) -> bool:
        """Whether each option is a box to tick, instead of all being one list."""
        return isinstance(self.control, LogBoxes)


@dataclass(frozen=True)
class FigureCard:
    """A figure in the page."""

    figure: Figure[Any]
    alt: str
    """Describes it to those who do not see it."""
    controls: Sequence[CardControl]
    fields_by_key: str
    """JSON: which field of the figure's query each part of the address sets."""


def figure_cards(data: StudyData, address: Mapping[str, str]) -> list[FigureCard]:
    """The figures that a study can have, in the order of the table.

    Args:
        data: the study.
        address: the query parameters of the page.
    """
    return [
        _card(figure, data, address)
        for figure in FIGURES.values()
        if figure.page == "study" and figure.unavailable(data.spec) is None
    ]


def _card(figure: Figure[Any], data: StudyData, address: Mapping[str, str]) -> FigureCard:
    names = wire_names(figure.query)
    controls, fields = [], {}
    for field, control in controls_of(figure.query).items():
        key = control.key or f"{figure.name}_{names[field]}"
        options = control.options(figure.query.model_fields[field], data)
        default = next((option.name for option in options if option.is_default), "")
        controls.append(CardControl(key, control, options, address.get(key, default)))
        fields[key] = names[field]
    return FigureCard(
        figure=figure,
        alt=figure.alt.format(metric=data.spec.objectives[0].metric),
        controls=sorted(controls, key=lambda control: control.control.position),
        fields_by_key=json.dumps(fields),
    )
