"""The command line of the emulator: wrong wishes are told before anything starts."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from ops.emulator.__main__ import main
from ops.emulator.options import Options


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--chaos", "mischief=1"], "unknown chaos 'mischief'"),
        (["--chaos", "drop=7"], "probability from 0 to 1"),
        (["--image-size", "100"], "multiple of 8"),
        (["--url-style", "odd"], "odd"),
        (["--port", "99999"], "0<=x<=65535"),
    ],
)
def test_wrong_options_are_refused_with_a_reason(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert told in result.output


def test_a_taken_port_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(main, ["--port", str(taken.getsockname()[1])])
    assert result.exit_code == 1
    assert result.output.startswith("Error: cannot listen on 127.0.0.1:")


def test_help_names_every_kind_of_chaos() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    assert "submit_timeout" in output
    assert "--url-lifetime" in output


def test_the_usual_concurrency_depends_on_the_mode() -> None:
    assert (Options().in_flight_limit, Options(instant=True).in_flight_limit) == (5, None)
    assert Options(instant=True, concurrency=3).in_flight_limit == 3


def test_only_some_settings_can_be_changed_later() -> None:
    assert Options().changed({"quota": 3, "token_states": {"a": "expired"}}).token_states == (("a", "expired"),)
    for wish in ({"seed": 1}, {"url_style": "odd"}, {"token_states": {"a": "odd"}}):
        with pytest.raises(ValueError, match=r"change|style|states"):
            Options().changed(wish)
