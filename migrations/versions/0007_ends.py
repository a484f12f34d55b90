"""why studies end, which jobs have begun, and which ensembles are stale"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

END_REASONS = {"complete": "finished", "stopped": "stop", "failed": "failed_trials"}
"""What is said of studies that were over before reasons were stored, by state."""


def upgrade() -> None:
    with op.batch_alter_table("studies") as table:
        table.add_column(sa.Column("end_reason", sa.String(16)))
        table.add_column(sa.Column("end_limit", sa.String(32)))
        table.add_column(sa.Column("end_message", sa.Text()))
    studies = sa.table("studies", sa.column("state"), sa.column("end_reason"))
    for state, reason in END_REASONS.items():
        found = studies.c.state == state
        op.execute(sa.update(studies).where(found).values(end_reason=reason))
    with op.batch_alter_table("jobs") as table:
        table.add_column(
            sa.Column("begun", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    jobs = sa.table("jobs", sa.column("state"), sa.column("begun", sa.Boolean()))
    op.execute(sa.update(jobs).where(jobs.c.state == "leased").values(begun=True))
    with op.batch_alter_table("ensembles") as table:
        table.add_column(
            sa.Column("stale", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("trials") as table:
        table.add_column(sa.Column("proposal", sa.Integer()))


def downgrade() -> None:
    with op.batch_alter_table("trials") as table:
        table.drop_column("proposal")
    with op.batch_alter_table("ensembles") as table:
        table.drop_column("stale")
    with op.batch_alter_table("jobs") as table:
        table.drop_column("begun")
    with op.batch_alter_table("studies") as table:
        for name in ("end_message", "end_limit", "end_reason"):
            table.drop_column(name)
