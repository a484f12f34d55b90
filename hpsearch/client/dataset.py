"""Data sets as a notebook shows them: a table of their columns, what is learned, and warnings."""

from __future__ import annotations

from hpsearch.client import notebook_html
from hpsearch.client.dataset_summary import headline, target_line
from hpsearch.spec.language.base import Record
from hpsearch.spec.wire import datasets as wire


class DatasetInfo(wire.DatasetInfo):
    """What a data set looks like; a notebook shows its columns, and what is done with each."""

    name: str = ""

    def _repr_html_(self) -> str:
        return notebook_html.dataset_html(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({headline(self)}; {target_line(self)})"

    def __str__(self) -> str:
        return repr(self)


class Dataset(DatasetInfo, wire.Dataset):
    """An uploaded data set, in one of its versions."""

    name: str


class DatasetList(Record):
    """The data sets that a task may name."""

    datasets: list[Dataset | DatasetInfo]
