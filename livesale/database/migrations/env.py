"""Alembic's environment: always uses the connection from `livesale.database.schema`."""

from alembic import context

from livesale.database.migrations.steps import take
from livesale.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
)
with context.begin_transaction(), take(context.get_context()):
    context.run_migrations()
