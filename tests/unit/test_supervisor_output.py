"""What a service writes, on the terminal and in its file: its lines, and nothing that steers a terminal."""

from __future__ import annotations

import io
import os
from pathlib import Path

from ops.supervisor.output import Relay, Terminal


def test_a_strangers_words_in_a_services_line_steer_no_terminal(tmp_path: Path) -> None:
    stream = io.StringIO()
    relay = Relay("postgres", tmp_path, Terminal(stream, ["postgres"]))
    os.write(relay.fd, b"ERROR: \x1b[2J\x1b]0;title\x07 \xc2\x9b31m a\rb\ttab \xff \xe2\x80\xae done\n")
    relay.settle()
    relay.close()

    for told in (stream.getvalue(), (tmp_path / "postgres.log").read_text()):
        assert "done" in told
        assert "\ttab" in told
        assert all(sign.isprintable() or sign in "\t\n" for sign in told)
        assert told.count("\n") == 1
