"""ensembles, what checkpoints predict and why they are kept"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "studies",
        sa.Column("search_over", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "checkpoints", sa.Column("reasons", sa.JSON(), nullable=False, server_default="[]")
    )
    op.add_column(
        "checkpoints", sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("checkpoints", sa.Column("predictions", sa.Text(), nullable=True))
    op.add_column(
        "checkpoints",
        sa.Column("predictions_bytes", sa.Integer(), nullable=False, server_default="0"),
    )
    op.add_column("checkpoints", sa.Column("predictions_sha256", sa.String(64), nullable=True))
    op.create_table(
        "ensembles",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("trials", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("artifact", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name="fk_ensembles_study_id_studies", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ensembles"),
    )
    op.create_index("ix_ensembles_study_id_state", "ensembles", ["study_id", "state"])
    op.add_column("jobs", sa.Column("ensemble_id", sa.Integer(), nullable=True))
    op.create_index("ix_jobs_ensemble_id", "jobs", ["ensemble_id"])


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE trial_id IS NULL")
    op.drop_index("ix_jobs_ensemble_id", "jobs")
    op.drop_column("jobs", "ensemble_id")
    op.drop_index("ix_ensembles_study_id_state", "ensembles")
    op.drop_table("ensembles")
    for name in ("predictions_sha256", "predictions_bytes", "predictions", "pinned", "reasons"):
        op.drop_column("checkpoints", name)
    op.drop_column("studies", "search_over")
