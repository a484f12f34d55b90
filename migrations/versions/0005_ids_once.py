"""ids given once; trials that an ensemble asked for; which attempt a checkpoint is of"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBERED = ("studies", "trials", "checkpoints", "ensembles", "workers", "jobs", "events")


def upgrade() -> None:
    op.add_column("trials", sa.Column("ensemble_id", sa.Integer(), nullable=True))
    op.add_column("trials", sa.Column("repeats", sa.Integer(), nullable=True))
    op.add_column(
        "checkpoints", sa.Column("attempt", sa.Integer(), nullable=False, server_default="0")
    )
    _rebuild(sqlite_autoincrement=True)


def downgrade() -> None:
    _rebuild(sqlite_autoincrement=False)
    op.drop_column("checkpoints", "attempt")
    op.drop_column("trials", "repeats")
    op.drop_column("trials", "ensemble_id")


def _rebuild(*, sqlite_autoincrement: bool) -> None:
    """SQLite counts ids on past deleted rows only in tables made so; PostgreSQL does it always."""
    if op.get_bind().dialect.name != "sqlite":
        return
    made = {"sqlite_autoincrement": sqlite_autoincrement}
    for name in NUMBERED:
        with op.batch_alter_table(name, recreate="always", table_kwargs=made):
            pass
