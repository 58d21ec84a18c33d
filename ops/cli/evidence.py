"""A run's evidence on its way into a file or a pipe."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from ops.cli import display
from ops.cli.failures import Refused, Unreachable


def write_evidence(lines: Iterable[bytes], output: str) -> None:
    """Write the lines; a file is there whole or not at all. Raises Refused when it cannot be written, Unreachable when
    the service broke off."""
    if output == "-":
        _write(lines, sys.stdout.buffer)
        return
    path = Path(output)
    try:
        # With a name of its own: another export may be on its way to the same file, or was killed there.
        with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", suffix=".part", delete=False) as part:
            try:
                count = _write(lines, part)
                os.replace(part.name, path)
            finally:
                Path(part.name).unlink(missing_ok=True)
    except OSError as error:
        raise Refused(f"{output} cannot be written: {error.strerror}") from error
    display.hint(f"{path}: {count} lines")


def _write(lines: Iterable[bytes], to: IO[bytes]) -> int:
    """How many. Raises Unreachable when the last one is missing."""
    count, line = 0, b""
    for line in lines:
        to.write(line)
        count += 1
    to.flush()
    if not _is_end(line):
        raise Unreachable("the export broke off", hint="Try again; what has come is not whole.")
    return count


def _is_end(line: bytes) -> bool:
    try:
        return bool(json.loads(line).get("line") == "end")
    except (ValueError, AttributeError):
        return False
