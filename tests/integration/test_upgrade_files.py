"""What a migration may do while the former version serves: read from the files themselves (docs/upgrading.md).

A statement that breaks a rule for a good reason has a line ``-- harmless: <the reason>`` above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from orchestrator.store.migrate import OUTSIDE, files

RULES = {
    r"\bdrop (table|column|type|function|procedure|view|schema|domain|sequence)\b": "the former version may use it",
    r"(^|alter table \S+ )drop (?!constraint|not null|default|index|trigger)\S": "the former version may use it",
    r"\bdrop default\b": "the former version may rely on it",
    r"\brename\b": "the former version knows the old name only",
    r"\bset not null\b": "the former version may leave it out, and the check reads the whole table",
    r"\badd (column )?(?!constraint|check|unique|primary|foreign|exclude)(?!.*\bdefault\b).*\bnot null\b": (
        "the former version does not fill it in: give it a default"
    ),
    r"\balter (column )?\S+ (set data )?type\b": "the table is written anew while nobody can use it",
    r"\badd value\b": "the former version cannot read it",
    r"\badd (constraint \S+ )?(check|foreign key)(?!.*\bnot valid\b)": "nobody can write meanwhile: NOT VALID",
    r"\badd (constraint \S+ )?(unique|primary key|exclude)(?! using index)": "nobody can write meanwhile: USING INDEX",
    r"^(update|delete|truncate|lock|cluster|vacuum|reindex)\b": "rows stay locked: in small batches, by a job",
    r"^(begin|start transaction|commit|end|rollback|abort|savepoint)\b": "the file is one transaction as it is",
    r"^drop index (?!concurrently)": "nobody can use the table meanwhile: CONCURRENTLY, in a file of its own",
}
NOT_CONCURRENTLY = re.compile(r"^create (unique )?index (?!concurrently)(if not exists )?\S* ?on (only )?(\S+)")
LATER = [pytest.param(name, text, id=name) for name, text in files().items() if name > "0001_the_path"]


def statements(text: str) -> Iterator[tuple[str, bool]]:
    """Each statement on one line in small letters, without comments and function bodies; whether it is excused."""
    without_bodies = re.sub(r"\$(\w*)\$.*?\$\1\$", "''", text, flags=re.DOTALL)
    for statement in without_bodies.split(";"):
        excused = re.search(r"^-- harmless: \S", statement, re.MULTILINE) is not None
        plain = " ".join(re.sub(r"--.*", "", statement).lower().split())
        if plain:
            yield plain, excused


def offences(text: str) -> list[str]:
    """What is wrong with a migration's text."""
    found, made = [], set()
    for statement, excused in statements(text):
        if new := re.match(r"create table (if not exists )?(\S+)", statement):
            made.add(new[2])
        clauses = re.split(r",\s*(?=(?:add|alter|drop)\b)", statement)
        broken = [why for rule, why in RULES.items() if any(re.search(rule, clause) for clause in clauses)]
        index = NOT_CONCURRENTLY.match(statement)
        if index and index[4].split("(")[0] not in made:
            broken.append("nobody can write meanwhile: CONCURRENTLY, in a file of its own")
        if "concurrently" in statement and not text.startswith(OUTSIDE):
            broken.append(f"it cannot be in a transaction: begin the file with {OUTSIDE!r}")
        if not excused:
            found += [f"{statement[:80]}: {why}" for why in broken]
    return found


@pytest.mark.parametrize(("name", "text"), LATER)
def test_a_migration_does_nothing_that_the_version_that_serves_cannot_live_with(name: str, text: str) -> None:
    assert offences(text) == [], name


@pytest.mark.parametrize(("name", "text"), LATER)
def test_what_is_done_outside_a_transaction_can_be_done_again(name: str, text: str) -> None:
    if not text.startswith(OUTSIDE):
        return
    for statement, _ in statements(text):
        if made := re.match(r"create (?:unique )?index concurrently (\S+) on", statement):
            again = f"drop index concurrently if exists {made[1]}"
            assert again in [one for one, _ in statements(text)], f"an attempt that failed leaves {made[1]} invalid"


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE runs;",
        "ALTER TABLE runs DROP COLUMN labels;",
        "ALTER TABLE runs ADD COLUMN a integer, DROP labels;",
        "ALTER TABLE runs ALTER labels DROP DEFAULT;",
        "ALTER TABLE runs RENAME labels TO tags;",
        "ALTER TABLE runs ALTER COLUMN error SET NOT NULL;",
        "ALTER TABLE runs ADD COLUMN owner text NOT NULL;",
        "ALTER TABLE runs ADD owner text NOT NULL, ADD team text DEFAULT '';",
        "ALTER TABLE tasks ALTER COLUMN timeout TYPE bigint;",
        "ALTER TYPE task_state ADD VALUE 'asleep';",
        "ALTER TABLE runs ADD CONSTRAINT a CHECK (version > 0);",
        "ALTER TABLE runs ADD UNIQUE (pipeline);",
        "UPDATE tasks SET looks = 0;",
        "-- all of them\nDELETE FROM callbacks;",
        "CREATE INDEX ON tasks (looks);",
        "CREATE UNIQUE INDEX one ON tasks (looks);",
        "CREATE INDEX CONCURRENTLY one ON tasks (looks);",
        "DROP INDEX tasks_newest;",
        "CREATE TABLE notes (id uuid PRIMARY KEY); COMMIT;",
        "DROP FUNCTION lock_jobs(text, text[]);",
    ],
)
def test_what_would_hurt_is_noticed(text: str) -> None:
    assert offences(text)


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE runs ADD COLUMN owner text, ADD COLUMN seen boolean NOT NULL DEFAULT false;",
        "CREATE TABLE notes (id uuid PRIMARY KEY, words text NOT NULL); CREATE INDEX ON notes (words);",
        "ALTER TABLE runs ADD CONSTRAINT a CHECK (version > 0) NOT VALID;",
        "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE tasks SET looks = 0; $$;",
        f"{OUTSIDE}\nDROP INDEX CONCURRENTLY IF EXISTS one;\nCREATE INDEX CONCURRENTLY one ON tasks (looks);",
        "-- harmless: a row per account\nUPDATE accounts SET strikes = 0;",
        "ALTER TABLE tasks ALTER COLUMN provider DROP NOT NULL;",
    ],
)
def test_what_is_harmless_is_let_through(text: str) -> None:
    assert offences(text) == []
