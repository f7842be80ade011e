"""Alembic migrations; `livesale.store.schema` runs them, `livesale migrate` is the command."""
