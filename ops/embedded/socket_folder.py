"""Where a unix socket is found: in its own folder, or through a short link, for its path holds 103 bytes only."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ops.embedded.failure import EmbeddedError

LONGEST = 86  # bytes; leaves room for the socket's own name below macOS' limit of 103
SHORT = Path("/tmp")  # noqa: S108  the name below is checked for its owner; TMPDIR is the long folder on macOS


def home_mark(home: Path) -> str:
    """A short name that is the same for every start on this home folder."""
    return "orchestrator-" + hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]


def short_path(folder: Path) -> Path:
    """``folder``, or, when that is too long for a socket, a link to it in /tmp whose name is always the same.

    Raises EmbeddedError when somebody else holds that name.
    """
    if len(os.fsencode(folder)) <= LONGEST:
        return folder
    link = SHORT / f"{home_mark(folder)}-{os.geteuid()}"
    try:
        link.symlink_to(folder)
    except FileExistsError:
        _verify(link, folder)
    return link


def _verify(link: Path, folder: Path) -> None:
    ours = link.is_symlink() and link.lstat().st_uid == os.geteuid()
    if not ours or link.readlink() != folder:
        raise EmbeddedError(f"{link} is needed as a short name of {folder}, but something else is there; remove it")
