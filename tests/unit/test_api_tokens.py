"""Tokens of the API: what is kept of them, and how one is made."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from click.testing import CliRunner

from ops.cli.main import root
from orchestrator.config import load
from orchestrator.config.api_tokens import ApiToken, entries, hashed

TOKEN = "0123456789abcdef"


def test_a_hashed_entry_is_as_good_as_the_token_it_was_made_of() -> None:
    plain, opened = load({"ORCHESTRATOR_API_TOKENS": f"me:admin:{TOKEN}"}), hashed(TOKEN)
    assert opened == f"sha256${sha256(TOKEN.encode()).hexdigest()}"
    assert load({"ORCHESTRATOR_API_TOKENS": f"me:admin:{opened}"}).api_tokens == plain.api_tokens


def test_nothing_that_opens_the_api_is_kept_in_memory() -> None:
    [kept] = load({"ORCHESTRATOR_API_TOKENS": f"me:admin:{TOKEN}"}).api_tokens
    assert (kept.name, kept.role) == ("me", "admin")
    assert not any(TOKEN in str(getattr(kept, name)) for name in ApiToken.__slots__)


def test_a_hash_is_no_token() -> None:
    """Who reads the configuration of hashed entries cannot show what he found there."""
    found = ApiToken.of("me", "admin", TOKEN)
    assert ApiToken.of("me", "admin", hashed(TOKEN)) != found
    assert ApiToken.of("me", "admin", found.digest.hex()) != found


def test_an_entry_without_its_token() -> None:
    known, shut = entries(f"me:admin:{TOKEN}, eye:viewer:{hashed('another one of them')}")
    assert (known.token, shut.token) == (TOKEN, None)
    assert TOKEN not in known.as_hashed()
    assert entries(known.as_hashed())[0].as_hashed() == known.as_hashed()


def test_a_new_token_is_known_by_its_entry() -> None:
    made = json.loads(CliRunner().invoke(root, ["token", "new", "eye", "viewer", "--json"]).stdout)
    assert made["token"] not in made["entry"]
    assert load({"ORCHESTRATOR_API_TOKENS": made["entry"]}).api_tokens == (ApiToken.of("eye", "viewer", made["token"]),)
    shown = CliRunner().invoke(root, ["token", "new", "eye", "viewer"]).stdout
    assert made["token"] not in shown
    assert "entry  eye:viewer:sha256$" in shown


@pytest.mark.parametrize("arguments", [["a:b", "viewer"], ["a,b", "viewer"], ["a\x1b", "viewer"], ["a", "king"]])
def test_an_entry_that_could_not_be_read_is_not_made(arguments: list[str]) -> None:
    result = CliRunner().invoke(root, ["token", "new", *arguments])
    assert result.exit_code == 2
    assert "sha256" not in result.output
