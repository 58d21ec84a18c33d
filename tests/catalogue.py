"""What a database consists of, read from Postgres' own catalogue and written as SQL."""

from __future__ import annotations

from typing import Any

import psycopg

HEAD = """\
-- Today's schema: what an empty database is after every migration. Nobody applies this file; it is here to be read.
-- tests/integration/test_migrations.py fails when it is not what the migrations make, and writes it when it is missing.
"""

_ENUMS = """
    SELECT t.typname AS name, array_agg(e.enumlabel ORDER BY e.enumsortorder) AS words
    FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid WHERE t.typnamespace = 'public'::regnamespace
    GROUP BY t.typname ORDER BY min(t.oid)"""
_TABLES = """
    SELECT c.oid, c.relname AS name, array_to_string(c.reloptions, ', ') AS options FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'migrations' ORDER BY c.oid"""
_COLUMNS = """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS needed,
           pg_get_expr(d.adbin, d.adrelid) AS initial, a.attidentity <> '' AS identity
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
_CONSTRAINTS = """
    SELECT conname AS name, pg_get_constraintdef(oid) AS text FROM pg_constraint
    WHERE conrelid = %s AND contype IN ('p', 'u', 'f', 'c') ORDER BY position(contype IN 'pufc'), conname"""
_INDEXES = """
    SELECT pg_get_indexdef(i.indexrelid) AS text FROM pg_index i
    WHERE i.indrelid = %s AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
    ORDER BY i.indexrelid"""
_FUNCTIONS = """
    SELECT pg_get_functiondef(oid) AS text FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND (provolatile = 'v') = %s ORDER BY oid"""
_TRIGGERS = """
    SELECT pg_get_triggerdef(t.oid) AS text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal ORDER BY t.oid"""


def schema(connection: psycopg.Connection[dict[str, Any]]) -> str:
    """The types, tables, functions, indexes and triggers of a database, in the order in which they were made."""
    parts = [HEAD]
    for one in connection.execute(_ENUMS):
        words = ", ".join(f"'{word}'" for word in one["words"])
        parts.append(f"CREATE TYPE {one['name']} AS ENUM ({words});\n")
    parts += _functions(connection, volatile=False)  # an index may use one
    parts += [_table(connection, one) for one in connection.execute(_TABLES).fetchall()]
    parts += _functions(connection, volatile=True)
    parts += [f"{one['text']};\n" for one in connection.execute(_TRIGGERS)]
    return "\n".join(parts).replace("public.", "")


def _functions(connection: psycopg.Connection[dict[str, Any]], *, volatile: bool) -> list[str]:
    return [f"{one['text'].strip()};\n" for one in connection.execute(_FUNCTIONS, (volatile,))]


def _table(connection: psycopg.Connection[dict[str, Any]], table: dict[str, Any]) -> str:
    lines = [_column(one) for one in connection.execute(_COLUMNS, (table["oid"],))]
    lines += [f"CONSTRAINT {c['name']} {c['text']}" for c in connection.execute(_CONSTRAINTS, (table["oid"],))]
    options = f" WITH ({table['options']})" if table["options"] else ""
    indexes = "".join(f"{one['text']};\n" for one in connection.execute(_INDEXES, (table["oid"],)))
    return f"CREATE TABLE {table['name']} (\n    " + ",\n    ".join(lines) + f"\n){options};\n{indexes}"


def _column(one: dict[str, Any]) -> str:
    words = [one["name"], one["type"]]
    words += ["NOT NULL"] if one["needed"] else []
    words += [f"DEFAULT {one['initial']}"] if one["initial"] else []
    return " ".join(words + (["GENERATED ALWAYS AS IDENTITY"] if one["identity"] else []))
