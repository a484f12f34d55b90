"""versions of an uploaded data set under its name"""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BUILT_IN = ("digits", "breast_cancer", "wine", "iris", "diabetes", "spiral", "quadratic")
"""Data sets that have no versions, as this revision knows them."""

STUDIES = sa.table("studies", sa.column("id"), sa.column("spec", sa.JSON()))
STUDY_VERSIONS = sa.table(
    "study_versions", sa.column("study_id"), sa.column("version"), sa.column("spec", sa.JSON())
)


def upgrade() -> None:
    with op.batch_alter_table("datasets") as table:
        table.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        table.drop_constraint("pk_datasets", type_="primary")
        table.create_primary_key("pk_datasets", ["name", "version"])
    _change_tasks(_with_first_version)


def downgrade() -> None:
    several = op.get_bind().scalar(sa.text("SELECT name FROM datasets WHERE version > 1 LIMIT 1"))
    if several is not None:
        raise RuntimeError(
            "an earlier revision knows one file under a name, and there are later versions of "
            f"data set {several}; remove it first"
        )
    _change_tasks(_without_version)
    with op.batch_alter_table("datasets") as table:
        table.drop_constraint("pk_datasets", type_="primary")
        table.create_primary_key("pk_datasets", ["name"])
        table.drop_column("version")


def _change_tasks(change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    """Changes the task of every stored spec that learns from a data set."""
    connection = op.get_bind()
    for table, keys in ((STUDIES, ("id",)), (STUDY_VERSIONS, ("study_id", "version"))):
        for row in connection.execute(sa.select(table)).mappings().all():
            task = row["spec"].get("task")
            if not isinstance(task, dict) or "dataset" not in task:
                continue
            found = sa.and_(*(table.c[key] == row[key] for key in keys))
            spec = {**row["spec"], "task": change(task)}
            connection.execute(sa.update(table).where(found).values(spec=spec))


def _with_first_version(task: Mapping[str, Any]) -> dict[str, Any]:
    return {**task, "dataset_version": None if task["dataset"] in BUILT_IN else 1}


def _without_version(task: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in task.items() if name != "dataset_version"}
