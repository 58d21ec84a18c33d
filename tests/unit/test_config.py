"""The configuration: read once, wholly checked; an error names the variable, what was read and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.config import Config, Limits, load
from orchestrator.errors import ConfigError

SECRET = "sixteen-or-more-characters"
ACCOUNT = {"name": "a", "provider": "acedata", "token": "the-token-itself"}


def accounts_file(tmp_path: Path, *entries: Any) -> dict[str, str]:
    """The environment with a file of these accounts."""
    path = tmp_path / "accounts.yaml"
    path.write_text(yaml.safe_dump(list(entries)), encoding="utf-8")
    return {"ORCHESTRATOR_ACCOUNTS": str(path)}


def refused(environment: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(environment)
    return caught.value.message


def test_nothing_needs_to_be_set() -> None:
    found = load({})
    assert found == Config(home=found.home, archive_url=f"file://{found.home}/archive")
    assert found.public_url == "http://127.0.0.1:8080"
    assert found.accounts == {}


def test_every_variable_is_read(tmp_path: Path) -> None:
    found = load(
        {
            "ORCHESTRATOR_HOME": str(tmp_path),
            "DATABASE_URL": "postgresql://x/y",
            "BROKER_URL": "redis://x",
            "ORCHESTRATOR_PUBLIC_URL": "https://hooks.example.org/",
            "ORCHESTRATOR_SECRET": f"{SECRET}, {SECRET}2",
            "ORCHESTRATOR_API_TOKENS": "me:admin:0123456789abcdef, you:viewer:0123456789abcdeg",
            "ORCHESTRATOR_ALLOW_HOSTS": "127.0.0.1, example.org",
            "ORCHESTRATOR_SCORERS": "taste=http://scorer/rank",
            "ORCHESTRATOR_MAX_BODY": "4096",
            "ORCHESTRATOR_SWEEP_EVERY": "0.5",
            "ACEDATA_TOKEN": "t",
            "MJPROXY_SECRET": "s",
            "MJPROXY_BASE_URL": "http://proxy:8080/",
        }
    )
    assert (found.home, found.archive_url) == (tmp_path, f"file://{tmp_path}/archive")
    assert (found.database_url, found.broker_url) == ("postgresql://x/y", "redis://x")
    assert found.callback_url("a", "t") == "https://hooks.example.org/callbacks/a/t"
    assert found.secrets == (SECRET.encode(), f"{SECRET}2".encode())
    assert [(one.name, one.role) for one in found.api_tokens] == [("me", "admin"), ("you", "viewer")]
    assert found.allow_hosts == ("127.0.0.1", "example.org")
    assert found.scorers == {"taste": "http://scorer/rank"}
    assert (found.max_body, found.sweep_every) == (4096, 0.5)
    assert found.account("mjproxy").base_url == "http://proxy:8080"
    assert found.account("acedata").base_url == "https://api.acedata.cloud"


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert load(dict.fromkeys(("DATABASE_URL", "ORCHESTRATOR_SECRET", "ORCHESTRATOR_MAX_BODY", "ACEDATA_TOKEN"), ""))


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("ORCHESTRATOR_PUBLIC_URL", "hooks.example.org", "http"),
        ("ORCHESTRATOR_PUBLIC_URL", "ftp://x", "http"),
        ("ORCHESTRATOR_PUBLIC_URL", "http://[::1", "http"),
        ("ORCHESTRATOR_PUBLIC_URL", "http://x:port", "http"),
        ("ORCHESTRATOR_MAX_BODY", "lots", "'lots' is not a number"),
        ("ORCHESTRATOR_MAX_BODY", "1", "allowed: 1024 to"),
        ("ORCHESTRATOR_SWEEP_EVERY", "nan", "allowed: 0.1 to 60"),
        ("ORCHESTRATOR_SWEEP_EVERY", "0", "allowed: 0.1 to 60"),
        ("ORCHESTRATOR_SCORERS", "taste", "name=url"),
        ("ORCHESTRATOR_HOME", "~nobody-of-that-name/data", "a folder's path"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(variable: str, text: str, said: str) -> None:
    message = refused({variable: text})
    assert message.startswith(f"{variable}: ")
    assert said in message


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ORCHESTRATOR_SECRET", "too-short"),
        ("ORCHESTRATOR_API_TOKENS", "hush-hush-this-is-secret"),
        ("ORCHESTRATOR_API_TOKENS", "me:king:hush-hush-this-is-secret"),
        ("ORCHESTRATOR_API_TOKENS", "me:admin:short"),
        ("ORCHESTRATOR_API_TOKENS", "me:admin:sha256$hush"),
        ("ORCHESTRATOR_API_TOKENS", f"me:admin:sha256${'hush' * 16}"),
    ],
)
def test_a_wrong_secret_is_not_repeated(variable: str, text: str) -> None:
    message = refused({variable: text})
    assert message.startswith(f"{variable}: ")
    assert not any(word in message for word in ("hush", "too-short", "king", "short"))


def test_no_secret_is_shown_with_the_configuration(tmp_path: Path) -> None:
    found = load(
        {
            "DATABASE_URL": "postgresql://me:hush@x/y",
            "BROKER_URL": "redis://:hush@x",
            "ORCHESTRATOR_SECRET": "hush" * 4,
            "ORCHESTRATOR_API_TOKENS": "me:admin:hushhushhushhush",
            "ACEDATA_TOKEN": "hush",
        }
    )
    assert "hush" not in repr(found)


def test_accounts_come_from_a_file(tmp_path: Path) -> None:
    entry = {
        **ACCOUNT,
        "token": "${MY_TOKEN}",
        "slots": 3,
        "submits_per_second": 0.5,
        "modes": ["fast"],
        "stream": True,
    }
    found = load({**accounts_file(tmp_path, entry), "MY_TOKEN": "t", "ACEDATA_TOKEN": "u"})
    assert set(found.accounts) == {"a", "acedata"}
    account = found.account("a")
    assert (account.token, account.slots, account.submits_per_second, account.modes) == ("t", 3, 0.5, ("fast",))
    assert account.pushes


def test_a_mode_may_have_limits_of_its_own(tmp_path: Path) -> None:
    modes = {"relax": {"slots": 1, "submits_per_second": 0.1}, "turbo": None}
    account = load(accounts_file(tmp_path, {**ACCOUNT, "modes": modes, "submits_per_second": 2})).account("a")
    assert set(account.modes) == {"turbo", "relax"}
    assert account.mode_limits == {"relax": Limits(slots=1, submits_per_second=0.1)}
    assert (account.pause_after("relax"), account.pause_after(None)) == (10, 10)
    assert account.pause_after("turbo") == 0.5


def test_an_account_that_does_not_exist_is_an_error_naming_those_that_do() -> None:
    with pytest.raises(ConfigError, match=r"no account 'b' \(known: acedata\)"):
        load({"ACEDATA_TOKEN": "t"}).account("b")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "A b"}, "name"),
        ({"name": None}, "name"),
        ({"provider": "dalle"}, "allowed: acedata"),
        ({"provider": None}, "allowed: acedata"),
        ({"callback": "pull"}, "allowed: push, poll, both"),
        ({"callback": ["push"]}, "allowed: push, poll, both"),
        ({"base_url": "nowhere"}, "base_url"),
        ({"token": "${NOBODY_SET_THIS}"}, "NOBODY_SET_THIS"),
        ({"slots": 0}, "slots"),
        ({"slots": 2.5}, "slots"),
        ({"slots": "5"}, "slots"),
        ({"slots": True}, "slots"),
        ({"slots": None}, "slots"),
        ({"quiet": -1}, "quiet"),
        ({"quiet": float("inf")}, "quiet"),
        ({"poll": float("nan")}, "poll"),
        ({"submits_per_second": 0}, "submits_per_second"),
        ({"modes": "fast"}, "modes"),
        ({"modes": None}, "modes"),
        ({"modes": [1]}, "modes"),
        ({"modes": {1: None}}, "modes"),
        ({"modes": {"relax": 2}}, "modes: relax: 2 is not a mapping; allowed: slots, submits_per_second"),
        ({"modes": {"relax": {"slot": 2}}}, "modes: relax: unknown key 'slot'"),
        ({"modes": {"relax": {"slots": 0}}}, "modes: relax: slots"),
        ({"modes": {"relax": {"slots": 1.5}}}, "modes: relax: slots"),
        ({"modes": {"relax": {"submits_per_second": 0}}}, "modes: relax: submits_per_second"),
        ({"mode_limits": {}}, "unknown key 'mode_limits'"),
        ({"stream": "yes"}, "stream"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({1: 2, "colour": "red"}, "unknown key"),
    ],
)
def test_a_wrong_account_is_refused(tmp_path: Path, change: dict[Any, Any], said: str) -> None:
    message = refused(accounts_file(tmp_path, {**ACCOUNT, **change}))
    assert "account 1" in message
    assert said in message
    assert "the-token-itself" not in message


def test_an_entry_that_is_no_mapping_is_not_repeated(tmp_path: Path) -> None:
    message = refused(accounts_file(tmp_path, "token: the-token-itself"))
    assert "account 1: expected a mapping" in message
    assert "the-token-itself" not in message


def test_two_accounts_have_two_names(tmp_path: Path) -> None:
    assert "account 2: name: 'a' stands there twice" in refused(accounts_file(tmp_path, ACCOUNT, ACCOUNT))


@pytest.mark.parametrize(
    "text", ["a: [", "accounts:\n- name: a\n  token: the-token-itself: x", "\t", "accounts: 5", "[1"]
)
def test_a_file_that_cannot_be_read_says_where_without_its_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "accounts.yaml"
    path.write_text(text, encoding="utf-8")
    message = refused({"ORCHESTRATOR_ACCOUNTS": str(path)})
    assert message.startswith(f"ORCHESTRATOR_ACCOUNTS: {path}")
    assert "the-token-itself" not in message


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "accounts.yaml"
    if content is not None:
        path.write_bytes(content)
    assert refused({"ORCHESTRATOR_ACCOUNTS": str(path)}).startswith("ORCHESTRATOR_ACCOUNTS: ")
