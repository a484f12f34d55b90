"""The client for notebooks and scripts.

    study = hpsearch.Client().submit("study.yaml")
    study.watch()                            # or wait(), which shows nothing
    study.trials().to_frame()                # pandas
    study.plot.curves("val_loss", log="y")   # the dashboard's figures
    study.best_trial.load_model()            # torch
    study.build_ensemble("greedy").wait().load().predict(rows)

It finds a server of this machine, and its token, by itself.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from hpsearch.client.dataset import Dataset, DatasetInfo, DatasetList
from hpsearch.client.ensemble import Ensemble, EnsembleTimeout
from hpsearch.client.study import Study, StudyTimeout
from hpsearch.client.transport import Transport
from hpsearch.client.trial import Curves, Trial, Trials
from hpsearch.errors import InvalidInput, NotFound
from hpsearch.spec.language.document import read_document
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire import ensembles, records
from hpsearch.spec.wire.datasets import BUILT_IN
from hpsearch.spec.wire.jobs import GarbageCollectionRequest
from hpsearch.spec.wire.records import Checkpoint, GarbageCollection, StudyPage, StudyPreview
from hpsearch.spec.wire.upload import ColumnUse

__all__ = [
    "Client",
    "Curves",
    "Ensemble",
    "EnsembleTimeout",
    "Study",
    "StudyTimeout",
    "Trial",
    "Trials",
    "spec_document",
]

Spec = StudySpec | Mapping[str, Any] | str | Path


class Client:
    """A connection to one server, to submit studies by and to find them.

    Args:
        url: the server's address; None reads HPSEARCH_SERVER, then looks for a server of this
            machine: that of `./.hpsearch`, else the only one that runs.
        token: its token; None reads HPSEARCH_TOKEN, then the token in that server's data directory.
        patience_seconds: for how long a call is retried while the server does not answer.

    Raises:
        InvalidInput: for an address or a token that cannot be one; without an address where
            several servers run here and none of them belongs to this folder.
        ServerUnreachable: from any call, when no server answers, with what to do.
        Unauthorized: from any call, when the token is not the server's.

    >>> with hpsearch.Client() as client:
    ...     study = client.submit(spec)
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, patience_seconds: float = 5.0
    ) -> None:
        self._transport = Transport(url, token, patience_seconds=patience_seconds)

    def on_first_write(self, call: Callable[[], object]) -> None:
        """Calls a function once, when the server has taken the first change of this client.

        >>> client.on_first_write(lambda: print("written"))
        >>> client.submit(spec).state.value
        written
        'queued'
        """
        self._transport.on_write = call

    @property
    def url(self) -> str:
        """The server's address, such as `http://127.0.0.1:8470`."""
        return self._transport.url

    @property
    def data_dir(self) -> Path | None:
        """The server's data directory, where it is one of this machine; else None."""
        return self._transport.data_dir

    @property
    def token(self) -> str | None:
        """The token that every call carries."""
        return self._transport.token

    def submit(self, spec: Spec, *, idempotency_key: str | None = None) -> Study:
        """Queues a study, and returns it at once.

        Args:
            spec: a path to YAML or JSON, its text, a mapping or a `StudySpec`.
            idempotency_key: a second call with the same key returns the first call's study.

        Raises:
            InvalidInput: naming every field that breaks a rule.

        >>> client.submit(spec)
        Study(..., 'wine', queued, 0 trials ended)
        >>> client.submit("study.yaml").name
        'wine'
        """
        document = spec_document(spec)
        record = self._transport.post(
            "/studies", records.Study, document, idempotency_key=idempotency_key
        )
        return Study(self._transport, record)

    def preview(self, spec: Spec) -> StudyPreview:
        """Returns what a study would search and cost; nothing is stored.

        Args:
            spec: as for `submit`.

        Raises:
            InvalidInput: naming every field that breaks a rule.

        >>> preview = client.preview(spec)
        >>> preview.epochs_planned, [parameter["name"] for parameter in preview.parameters]
        (20, ['optimizer.lr'])
        """
        return self._transport.post(
            "/studies:preview", StudyPreview, spec_document(spec), repeatable=True
        )

    def study(self, study: int | str) -> Study:
        """Returns a study; of several with one name the newest, with a warning that says which.

        Args:
            study: its `id`, or its name.

        Raises:
            NotFound: when no study has it.

        >>> client.study(1)
        Study(1, 'wine', complete, 4 trials ended, best ...)
        >>> client.submit({**spec, "name": "wider"}).id == client.study("wider").id
        True
        """
        if isinstance(study, int) or study.isdecimal():
            return Study(self._transport, self._transport.get(f"/studies/{study}", records.Study))
        found = self.studies(2, name=study)
        if not found:
            raise NotFound(
                f"a study must exist to be used, and none is called {study!r}; "
                "`studies()` lists those there are"
            )
        if len(found) > 1:
            warnings.warn(
                f"several studies are called {study!r}; this is the newest, study {found[0].id}",
                stacklevel=2,
            )
        return found[0]

    def studies(self, limit: int = 50, *, name: str | None = None) -> list[Study]:
        """Returns the latest studies, newest first.

        Args:
            limit: how many at most.
            name: only those of this name.

        >>> client.studies()[-1].name
        'wine'
        """
        page = self._transport.get("/studies", StudyPage, page_size=limit, name=name)
        return [Study(self._transport, record) for record in page.studies]

    def ensemble(self, ensemble_id: int) -> Ensemble:
        """Returns an ensemble.

        Args:
            ensemble_id: its `id`.

        Raises:
            NotFound: when no ensemble has it.

        >>> client.ensemble(1)
        Ensemble(1 of study 1, greedy, complete, ... members, test accuracy ...)
        """
        record = self._transport.get(f"/ensembles/{ensemble_id}", ensembles.Ensemble)
        return Ensemble(self._transport, record)

    def pin(self, checkpoint_id: int, *, pinned: bool = True) -> Checkpoint:
        """Keeps a checkpoint whatever its study's policy says, and returns it.

        Args:
            checkpoint_id: its `id`.
            pinned: False leaves it to the policy again.

        Raises:
            NotFound: when no checkpoint has this id.

        >>> client.pin(study.checkpoints(0).checkpoints[0].id).pinned
        True
        """
        verb = "pin" if pinned else "unpin"
        return self._transport.post(f"/checkpoints/{checkpoint_id}:{verb}", Checkpoint)

    def collect_garbage(
        self, *, dry_run: bool = True, older_than_seconds: float = 3600.0
    ) -> GarbageCollection:
        """Removes files on the server that nothing needs, and returns which.

        Args:
            dry_run: nothing is removed; the answer says what would be.
            older_than_seconds: files that nothing refers to stay until they are so old.

        >>> client.collect_garbage().size_bytes
        0
        """
        terms = GarbageCollectionRequest.checked(
            dry_run=dry_run, older_than_seconds=older_than_seconds
        )
        return self._transport.post("/artifacts:collect", GarbageCollection, terms)

    def add_dataset(
        self,
        name: str,
        *files: str | Path,
        target: str | None = None,
        format: str | None = None,  # noqa: A002 (the field's name in the form)
        columns: Mapping[str, ColumnUse] | None = None,
        replace: bool = False,
    ) -> Dataset:
        """Uploads a data set and returns its record; the same one again changes nothing.

        Args:
            name: a-z, 0-9, _ and -; a study's `task.dataset` names it.
            files: one in a format of the table `hpsearch.spec.upload_formats.UPLOAD_FORMATS`, which
                `hpsearch datasets add --help` lists, or two: IDX images and labels.
            target: the column or array to learn; needed for CSV and Parquet.
            format: its name in that table; None goes by the file's content and name.
            columns: uses of columns by name, where the one inferred is wrong: number, category,
                date or ignore.
            replace: another data set of this name becomes an earlier version; studies that were
                submitted with it go on with it.

        Raises:
            InvalidInput: naming the columns and rows, or the file, that are wrong.
            Conflict: when another data set has the name and is not to be replaced.

        >>> client.add_dataset("houses", "houses.csv", target="price").rows
        40
        """
        form = _upload_form(files, target, format, columns)
        form |= {"name": name} | ({"replace": "true"} if replace else {})
        return self._transport.upload("/datasets", Dataset, form, [Path(file) for file in files])

    def inspect_dataset(
        self,
        *files: str | Path,
        target: str | None = None,
        format: str | None = None,  # noqa: A002 (the field's name in the form)
        columns: Mapping[str, ColumnUse] | None = None,
    ) -> DatasetInfo:
        """Returns what an upload would become; nothing is stored.

        Args:
            files: as for `add_dataset`.
            target: the column or array to learn; None only describes the columns.
            format: as for `add_dataset`.
            columns: as for `add_dataset`.

        Raises:
            InvalidInput: naming the columns and rows, or the file, that are wrong.

        >>> seen = client.inspect_dataset("houses.csv", target="price")
        >>> [(column.name, column.kind, column.role) for column in seen.columns]
        [('size', 'number', 'feature'), ('price', 'number', 'target')]
        """
        form = _upload_form(files, target, format, columns)
        paths = [Path(file) for file in files]
        return self._transport.upload("/datasets:inspect", DatasetInfo, form, paths)

    def dataset(self, name: str, version: int | None = None) -> Dataset | DatasetInfo:
        """Returns a data set.

        Args:
            name: of a built-in or an uploaded one.
            version: of an uploaded one; None for the newest.

        Raises:
            NotFound: when there is none of this name and version.

        >>> client.dataset("wine").class_rows
        (59, 71, 48)
        """
        kind = DatasetInfo if name in BUILT_IN else Dataset
        return self._transport.get(f"/datasets/{name}", kind, version=version)

    def datasets(self) -> list[Dataset | DatasetInfo]:
        """Returns all data sets: the built-in ones, then those uploaded, in their newest version.

        >>> "digits" in [dataset.name for dataset in client.datasets()]
        True
        """
        return self._transport.get("/datasets", DatasetList).datasets

    def remove_dataset(self, name: str, version: int | None = None) -> None:
        """Removes an uploaded data set that no open study trains on.

        Studies that were trained on it and are over keep what they came to, but cannot be trained
        further.

        Args:
            name: the data set's.
            version: the one to remove; None for all.

        Raises:
            NotFound: when no uploaded data set has the name and version.
            Conflict: when an open study trains on it.

        >>> client.remove_dataset(client.add_dataset("flats", "houses.csv", target="price").name)
        """
        self._transport.delete(f"/datasets/{name}", version=version)

    def close(self) -> None:
        """Closes the connection; `with hpsearch.Client() as client` does so at its end.

        >>> hpsearch.Client().close()
        """
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"


def _upload_form(
    files: Sequence[str | Path],
    target: str | None,
    file_format: str | None,
    columns: Mapping[str, ColumnUse] | None,
) -> dict[str, str]:
    """The fields of an upload's form.

    Raises:
        InvalidInput: when one of the files is none.
    """
    for path in map(Path, files):
        if not path.is_file():
            raise InvalidInput.at(
                "file", f"must be a file that can be read, got {path}; check the path"
            )
    fields = {"target": target, "format": file_format}
    form = {key: value for key, value in fields.items() if value is not None}
    if columns:
        form["columns"] = json.dumps(dict(columns))
    return form


def spec_document(spec: Spec) -> Mapping[str, Any]:
    """A spec in any of its forms as a plain object.

    Raises:
        InvalidInput: when a file is missing or not readable as YAML or JSON.
    """
    if isinstance(spec, StudySpec):
        return spec.model_dump(mode="json")
    if isinstance(spec, Mapping):
        return spec
    if isinstance(spec, str) and ("\n" in spec or spec.lstrip().startswith("{")):
        return read_document(spec)
    path = Path(spec)
    try:
        return read_document(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput.at(
            "", f"a spec file must be readable, and {path} is not ({reason}); check the path"
        ) from None
