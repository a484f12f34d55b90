"""Runs migrations on the connection that `hpsearch.store.database` hands over."""

from alembic import context

from hpsearch.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
