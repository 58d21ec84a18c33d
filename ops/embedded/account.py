"""Which account a server runs as: Postgres refuses root, so root lends it an account that exists already."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops.embedded.failure import EmbeddedError

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account that root drops to."""

    name: str
    uid: int
    gid: int

    def can_run(self, program: Path) -> bool:
        """Whether this account reaches and may execute ``program``; tried, for mode bits don't tell of ACLs."""
        try:
            found = subprocess.run(  # noqa: S603  our own binary
                [program, "--version"],
                user=self.uid,
                group=self.gid,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                check=False,
            )
        except PermissionError:
            return False
        return found.returncode == 0


def unprivileged(data: Path) -> Account | None:
    """The account that owns ``data``, else the first candidate that exists; None when we are not root.

    Raises EmbeddedError when no such account exists or another user's data lies there.
    """
    me = os.geteuid()
    owner = data.stat().st_uid if data.exists() else me
    if me == 0:
        return _named(CANDIDATES) if owner == 0 else _numbered(owner)
    if owner != me:
        raise EmbeddedError(f"{data} belongs to the account with id {owner}, not to this one ({me})")
    return None


def _named(names: tuple[str, ...]) -> Account:
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(f"Postgres doesn't run as root, and this machine has none of the accounts {', '.join(names)}")


def _numbered(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise EmbeddedError(f"the embedded Postgres' data belongs to id {uid}, which is no account here") from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
