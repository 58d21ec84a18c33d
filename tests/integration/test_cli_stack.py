"""What `up` makes of an environment and a home before it starts anything."""

from __future__ import annotations

import socket
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ops.cli.assembly import assemble
from ops.cli.demo import demo
from ops.cli.main import root
from ops.cli.ports import url_of
from ops.cli.settings import here
from ops.cli.up import greeting
from orchestrator.config import load
from orchestrator.errors import ConfigError


@pytest.fixture
def port() -> int:
    """One with two free ones behind it, as far as one can know."""
    for first in range(52_000, 53_000, 3):
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            try:
                for probe, number in ((one, first), (two, first + 1), (three, first + 2)):
                    probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            return first
    raise AssertionError("no three free ports in a row")


def test_the_demo_never_reaches_an_account_of_the_users_own(tmp_path: Path, port: int) -> None:
    own = tmp_path / "accounts.yaml"
    own.write_text("accounts: [{name: acedata, provider: acedata, token: a-paid-one}]")

    stack = assemble({"ORCHESTRATOR_ACCOUNTS": str(own)}, demo=True, port=port, home=tmp_path / "home")

    account = stack.config.accounts["acedata"]
    assert account.base_url == url_of("127.0.0.1", port + 2)
    assert account.stream, "the demo shows progress"
    assert "127.0.0.1" in stack.config.allow_hosts


def test_a_token_of_its_own_is_printed_and_one_that_was_given_is_not(tmp_path: Path, port: int) -> None:
    made = assemble({}, demo=False, port=port, home=tmp_path / "home")
    given = {"ORCHESTRATOR_API_TOKENS": "ann:admin:0123456789abcdef"}

    assert made.own_token == (tmp_path / "home" / "api-token").read_text().strip()
    assert made.own_token in greeting(made)
    assert "0123456789abcdef" not in greeting(assemble(given, demo=False, port=port, home=tmp_path / "home"))


def test_what_it_keeps_is_its_owners_alone(tmp_path: Path, port: int) -> None:
    assemble({}, demo=False, port=port, home=tmp_path / "home")

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "home", *(tmp_path / "home").iterdir())}
    assert modes == {"home": 0o700, "secret": 0o600, "api-token": 0o600}


def test_our_processes_are_given_no_api_token_that_opens_anything(tmp_path: Path, port: int) -> None:
    made = assemble({}, demo=False, port=port, home=tmp_path / "home")
    given = {"ORCHESTRATOR_API_TOKENS": "ann:admin:0123456789abcdef"}
    theirs = assemble(given, demo=False, port=port, home=tmp_path / "home")

    assert made.own_token not in str(made.environment())
    assert "0123456789abcdef" not in theirs.environment()["ORCHESTRATOR_API_TOKENS"]
    for stack in (made, theirs):
        assert load(stack.environment()).api_tokens == stack.config.api_tokens


def test_the_public_url_is_by_default_where_it_listens(tmp_path: Path, port: int) -> None:
    stack = assemble({}, demo=False, port=port, host="127.0.0.2", home=tmp_path / "home")

    assert stack.config.public_url == stack.url == f"http://127.0.0.2:{port}"


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://[::1]:1"), ("::1", "http://[::1]:1")]
)
def test_an_address_to_listen_on_becomes_one_to_ask(host: str, url: str) -> None:
    assert url_of(host, 1) == url


def test_a_port_that_is_taken_is_named_with_its_use(tmp_path: Path, port: int) -> None:
    taken = pytest.raises(ConfigError, match=rf"port {port + 1} \(dashboard\) is taken")
    with socket.create_server(("127.0.0.1", port + 1)), taken:
        assemble({}, demo=False, port=port, home=tmp_path / "home")


def test_a_host_that_is_not_ours_is_not_called_a_taken_port(tmp_path: Path, port: int) -> None:
    with pytest.raises(ConfigError, match=r"nobody can listen at 192\.0\.2\.1"):
        assemble({}, demo=False, port=port, host="192.0.2.1", home=tmp_path / "home")


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, port: int) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"ORCHESTRATOR_HOME: .*file/home cannot be used"):
        assemble({}, demo=False, port=port, home=tmp_path / "file/home")


def test_a_broker_of_no_kind_that_celery_knows_is_refused(tmp_path: Path, port: int) -> None:
    with pytest.raises(ConfigError, match="BROKER_URL is not one that Celery can use"):
        assemble({"BROKER_URL": "nosuch://127.0.0.1"}, demo=False, port=port, home=tmp_path / "home")


@pytest.mark.parametrize("url", ["redis+socket:///run/broker.sock", "amqp://me@127.0.0.1//", "rediss://127.0.0.1/0"])
def test_a_broker_that_celery_knows_is_taken(url: str, tmp_path: Path, port: int) -> None:
    assert assemble({"BROKER_URL": url}, demo=False, port=port, home=tmp_path / "home").config.broker_url == url


def test_a_home_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "supervisor.lock").mkdir()  # root could read anything else

    with pytest.raises(ConfigError, match=r"ORCHESTRATOR_HOME: .* cannot be read"):
        here(tmp_path)


@pytest.mark.parametrize(("command", "words"), [(root, ["up"]), (root, ["up", "--demo"]), (demo, [])], ids=str)
def test_a_configuration_that_cannot_be_used_ends_with_2(
    command: click.Command, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ORCHESTRATOR_SECRET", "short")

    result = CliRunner().invoke(command, words)

    assert result.exit_code == 2, result.output
    assert "ORCHESTRATOR_SECRET" in result.output
    assert not (tmp_path / "home/postgres").exists()
