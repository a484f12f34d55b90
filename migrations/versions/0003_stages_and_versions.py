"""stages of a search, versions of a spec, the order in which trials ended"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STUDY_COUNTERS = {"trials_open": 0, "trials_ended": 0, "revision": 0, "version": 1}

NUMBER_THE_ENDED = """
    UPDATE trials SET end_order = ended.place
    FROM (
        SELECT id, ROW_NUMBER() OVER (PARTITION BY study_id ORDER BY finished_at, id) - 1 AS place
        FROM trials WHERE finished_at IS NOT NULL
    ) AS ended
    WHERE ended.id = trials.id
"""


def upgrade() -> None:
    for name, value in STUDY_COUNTERS.items():
        op.add_column(
            "studies", sa.Column(name, sa.Integer(), nullable=False, server_default=str(value))
        )
    op.add_column("studies", sa.Column("known", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("trials", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("trials", sa.Column("continues", sa.Integer(), nullable=True))
    op.add_column(
        "trials", sa.Column("inherited", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("trials", sa.Column("end_order", sa.Integer(), nullable=True))
    op.add_column("trials", sa.Column("objectives", sa.JSON(), nullable=True))
    op.create_index("ix_trials_study_id_end_order", "trials", ["study_id", "end_order"])
    op.create_table(
        "stages",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("trials", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=True),
        sa.Column("space", sa.JSON(), nullable=True),
        sa.Column("given", sa.JSON(), nullable=False),
        sa.Column("given_done", sa.Integer(), nullable=False),
        sa.Column("sampled", sa.Integer(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name="fk_stages_study_id_studies", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study_id", "stage", name="pk_stages"),
    )
    op.create_table(
        "study_versions",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("first_trial", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["studies.id"],
            name="fk_study_versions_study_id_studies",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", "version", name="pk_study_versions"),
    )
    op.execute(NUMBER_THE_ENDED)
    op.execute(
        "UPDATE studies SET trials_open = trials_planned, trials_ended = (SELECT COUNT(*) "
        "FROM trials WHERE trials.study_id = studies.id AND trials.finished_at IS NOT NULL)"
    )
    op.execute(
        "INSERT INTO stages (study_id, stage, first, trials, given, given_done, sampled, changes, "
        "started_at) "
        "SELECT id, 0, 0, trials_planned, '[]', 0, trials_created, '[]', created_at FROM studies"
    )
    op.execute(
        "INSERT INTO study_versions (study_id, version, spec, changes, first_trial, created_at) "
        "SELECT id, 1, spec, '[]', 0, created_at FROM studies"
    )


def downgrade() -> None:
    op.drop_table("study_versions")
    op.drop_table("stages")
    op.drop_index("ix_trials_study_id_end_order", "trials")
    for name in ("objectives", "end_order", "inherited", "continues", "version"):
        op.drop_column("trials", name)
    for name in ("known", *STUDY_COUNTERS):
        op.drop_column("studies", name)
