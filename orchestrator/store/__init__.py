"""Postgres: the only package that knows it. ``Database`` is the pool; each module beside it serves one table."""

from orchestrator.store.pool import Connection, Database

__all__ = ["Connection", "Database"]
