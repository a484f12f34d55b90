"""A member for each family, as a stranger would add it: one file, and its line in a table.

Where a table lists classes, the line comes with their import.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Addition:
    """One member."""

    section: str
    """What `hpsearch kinds` calls its family."""
    name: str
    table: str
    """The file of the family's table."""
    after: str
    """The line of the table behind which the new one goes."""
    line: str
    file: str = ""
    """The new file, and what is in it; an event kind has none."""
    source: str = ""
    imported: str = ""

    def make(self, home: Path) -> None:
        """Adds the member to a copy of the code."""
        if self.file:
            (home / self.file).write_text(self.source)
        table = home / self.table
        text = table.read_text()
        assert text.count(self.after) == 1, f"{self.after!r} in {self.table}"
        text = text.replace(self.after, self.after + self.line)
        if self.imported:
            first = text.index("from hpsearch.")
            text = text[:first] + self.imported + text[first:]
        table.write_text(text)


ADDITIONS = (
    Addition(
        "schedules", "sawtooth",
        "hpsearch/spec/schedule.py", "    Lambda,\n", "    Sawtooth,\n",
        "hpsearch/spec/schedules/sawtooth.py",
        '''
from typing import Annotated, Literal

from hpsearch.spec.language.searchable import Real
from hpsearch.spec.schedules.base import ScheduleBase


class Sawtooth(ScheduleBase):
    """1 − (t mod period) / period."""

    implementation = "hpsearch.spec.schedules.sawtooth:factors"
    example = {"period": 4}

    kind: Literal["sawtooth"]
    period: Annotated[float, Real(gt=0)]


def factors(schedule, clock):
    return 1 - clock.time(schedule) % schedule.period / schedule.period
''',
        "from hpsearch.spec.schedules.sawtooth import Sawtooth\n",
    ),
    Addition(
        "optimizers", "signed",
        "hpsearch/spec/optimizer.py", "    Lbfgs,\n", "    Signed,\n",
        "hpsearch/spec/optimizers/signed.py",
        '''
from typing import Literal

from hpsearch.spec.optimizers.base import OptimizerBase


class Signed(OptimizerBase):
    """w ← w − lr·sign(g)."""

    implementation = "hpsearch.spec.optimizers.signed:SignedRule"

    kind: Literal["signed"]


def __getattr__(name):
    """The rule, which torch is needed for, at its first use."""
    if name != "SignedRule":
        raise AttributeError(name)
    from hpsearch.training.optimizers.descent import Sgd

    class SignedRule(Sgd):
        def update_direction(self, grads, state, coefficients):
            return grads.sign()

    return SignedRule
''',
        "from hpsearch.spec.optimizers.signed import Signed\n",
    ),
    Addition(
        "searches", "middle",
        "hpsearch/spec/search.py", "    Nsga2Search,\n", "    MiddleSearch,\n",
        "hpsearch/spec/searches/middle.py",
        '''
from typing import Literal

from hpsearch.spec.searches.base import CountedSearch


class MiddleSearch(CountedSearch):
    """The middle of every range, again and again."""

    implementation = "hpsearch.spec.searches.middle:MiddleSampler"

    kind: Literal["middle"]


def __getattr__(name):
    """The sampler, at its first use."""
    if name != "MiddleSampler":
        raise AttributeError(name)
    from hpsearch.search.samplers.base import Proposal, Sampler

    class MiddleSampler(Sampler):
        reads_history = False

        def suggest(self, numbers, history=None):
            params = self.space.draw(lambda parameter: parameter.distribution.from_unit(0.5))
            return [Proposal(params) for _ in numbers]

    return MiddleSampler
''',
        "from hpsearch.spec.searches.middle import MiddleSearch\n",
    ),
    Addition(
        "pruners", "impatient",
        "hpsearch/spec/pruner.py", "    ThresholdPruner,\n", "    ImpatientPruner,\n",
        "hpsearch/spec/pruners/impatient.py",
        '''
from typing import Literal

from hpsearch.spec.pruners.base import PrunerBase


class ImpatientPruner(PrunerBase):
    """Stops every trial at its first epoch."""

    implementation = "hpsearch.spec.pruners.impatient:Impatient"

    kind: Literal["impatient"]


def __getattr__(name):
    """The pruner, at its first use."""
    if name != "Impatient":
        raise AttributeError(name)
    from hpsearch.search.pruners import Pruner, Verdict

    class Impatient(Pruner):
        def decide(self, table, number):
            return Verdict(stop=True, why="one epoch says it all")

    return Impatient
''',
        "from hpsearch.spec.pruners.impatient import ImpatientPruner\n",
    ),
    Addition(
        "ensembles", "duo",
        "hpsearch/spec/ensemble.py", "    GreedySoup,\n", "    DuoEnsemble,\n",
        "hpsearch/spec/ensembles/duo.py",
        '''
from typing import Literal

from hpsearch.spec.ensembles.base import EnsembleBase


class DuoEnsemble(EnsembleBase):
    """The best two trials."""

    implementation = "hpsearch.ensemble_builder.kinds.best_trials:best_trials"

    kind: Literal["duo"]
    size: Literal[2] = 2
''',
        "from hpsearch.spec.ensembles.duo import DuoEnsemble\n",
    ),
    Addition(
        "metrics", "top2",
        "hpsearch/spec/metrics.py", "    for metric in (\n",
        '        Metric("top2", "maximize", "Share of rows of the two likeliest classes.",\n'
        '               ("classes",), "hpsearch.training.numerics.top2:top2"),\n',
        "hpsearch/training/numerics/top2.py",
        '''
def top2(outputs):
    """Share of rows whose class is among the two likeliest, [K]."""
    best = outputs.probabilities.topk(2, dim=-1).indices
    return (best == outputs.targets.unsqueeze(-1)).any(-1).double().mean(-1)
''',
    ),
    Addition(
        "upload_formats", "psv",
        "hpsearch/spec/upload_formats.py", "    for row in (\n",
        '        UploadFormat("psv", "PSV", "Text with bars between its fields.",\n'
        '                     "hpsearch.training.uploads.psv:PSV"),\n',
        "hpsearch/training/uploads/psv.py",
        '''
from dataclasses import replace

from hpsearch.training.uploads.csv_text import read_csv
from hpsearch.training.uploads.upload_format import Format


def read_psv(path, options):
    """The rows of a file with bars between its fields."""
    commas = path.with_suffix(".csv")
    commas.write_text(path.read_text().replace("|", ","))
    return read_csv(commas, replace(options, format="csv"))


PSV = Format(read_psv, as_file=lambda start: start.has_suffix(".psv"))
''',
    ),
    Addition(
        "figures", "tally",
        "hpsearch/plots/__init__.py", '    "curves_figure:CurvesFigure",\n',
        '    "tally_figure:TallyFigure",\n',
        "hpsearch/plots/tally_figure.py",
        '''
"""How many trials each stage has."""

from typing import Annotated, Literal

from hpsearch.plots.controls import LiteralSelect, LogAxes, LogBoxes
from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import PlotlyJson, layout


class TallyQuery(FigureQuery):
    """What may be chosen."""

    order: Annotated[Literal["by_stage", "by_size"], LiteralSelect("in order")] = "by_stage"
    """How stages stand."""
    log: Annotated[LogAxes, LogBoxes(axes="y")] = ""
    """`y` shows counts by decades."""


class TallyFigure(Figure[TallyQuery]):
    """How many trials each stage has."""

    name = "tally"
    title = "Trials by stage"
    alt = "Trials by stage, for {metric}"
    empty = "Bars appear with the first trial."
    query = TallyQuery
    redraw_seconds = 3.5

    def draw(self, data: StudyData, query: TallyQuery) -> PlotlyJson:
        bars = {"type": "bar", "x": [0], "y": [len(data.points())], "name": query.order}
        return {"data": [bars], "layout": layout(f"log: {query.log}", "stage", "trials")}
''',
    ),
    Addition(
        "events", "tea_made",
        "hpsearch/spec/language/states.py",
        '    WORKER_JOINED = "worker_joined", "A worker joined; the event belongs to no study."\n',
        '    TEA_MADE = "tea_made", "Somebody made tea.", {"cups": "how many"}\n',
    ),
)  # fmt: skip
