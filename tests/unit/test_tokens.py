"""Callback tokens: only what we signed, only for the account it was signed for, only as it was written."""

from __future__ import annotations

import base64
from uuid import UUID, uuid4

import pytest

from orchestrator.core.tokens import account_token, read_token, task_named_in, task_token
from orchestrator.errors import BadToken

SECRETS = (b"a secret of sixteen or more",)
OTHER = (b"another one of sixteen or more",)
TASK = UUID("01890000-0000-7000-8000-000000000001")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def valid(token: str, *, account: str = "acedata", secrets: tuple[bytes, ...] = SECRETS) -> bool:
    try:
        read_token(secrets, account, token)
    except BadToken:
        return False
    return True


def test_a_token_speaks_for_its_task() -> None:
    task_id = uuid4()
    assert read_token(SECRETS, "acedata", task_token(SECRETS, "acedata", task_id)) == task_id


def test_an_accounts_hook_speaks_for_no_task() -> None:
    assert read_token(SECRETS, "acedata", account_token(SECRETS, "acedata")) is None


def test_a_token_is_one_short_segment_of_a_url_and_shows_no_secret() -> None:
    token = task_token(SECRETS, "acedata", TASK)
    assert set(token) <= set(ALPHABET)
    assert len(token) == 44
    assert SECRETS[0] not in base64.urlsafe_b64decode(token)


@pytest.mark.parametrize("token", [task_token(SECRETS, "acedata", TASK), account_token(SECRETS, "acedata")])
def test_of_all_tokens_that_differ_in_one_character_none_is_valid(token: str) -> None:
    """Also at the end, where several spellings of base64 stand for the same bytes."""
    for place, right in enumerate(token):
        others = (token[:place] + wrong + token[place + 1 :] for wrong in ALPHABET if wrong != right)
        assert not any(map(valid, others))


@pytest.mark.parametrize("token", [task_token(SECRETS, "acedata", TASK), account_token(SECRETS, "acedata")])
@pytest.mark.parametrize(
    "changed",
    [
        lambda t: t + "=",
        lambda t: t + "==",
        lambda t: t + "\n",
        lambda t: " " + t,
        lambda t: t + "A",
        lambda t: t[:-1],
        lambda t: t[:-4],
        lambda t: t[4:],
        lambda t: t[:16],
        lambda t: t * 2,
        lambda t: t.swapcase(),
        lambda t: t[:-1] + "é",
        lambda t: t[:-1] + "\udc80",
        lambda t: t[:5] + "\x00" + t[5:],
        lambda _: "",
        lambda _: "=",
        lambda _: "A",
        lambda _: "A" * 44,
        lambda _: "A" * 100_000,
    ],
)
def test_no_other_spelling_is_valid(token: str, changed: object) -> None:
    assert callable(changed)
    assert not valid(changed(token))


def test_the_other_alphabet_of_base64_is_not_ours() -> None:
    tokens = (task_token(SECRETS, "acedata", UUID(int=number)) for number in range(100))
    token = next(token for token in tokens if "-" in token or "_" in token)
    assert valid(token)
    assert not valid(token.replace("-", "+").replace("_", "/"))


def test_a_token_is_of_its_account_and_of_its_secret() -> None:
    token = task_token(SECRETS, "acedata", TASK)
    assert not valid(token, account="second")
    assert not valid(token, account="")
    assert not valid(token, secrets=OTHER)
    assert not valid(token, secrets=())


def test_a_hook_cannot_be_made_of_a_task_nor_a_task_of_a_hook() -> None:
    hook, task = account_token(SECRETS, "acedata"), task_token(SECRETS, "acedata", TASK)
    mac_of_hook = base64.urlsafe_b64decode(hook + "=")[-16:]
    mac_of_task = base64.urlsafe_b64decode(task)[-16:]
    assert not valid(base64.urlsafe_b64encode(b"\x02" + mac_of_task).rstrip(b"=").decode())
    assert not valid(base64.urlsafe_b64encode(b"\x01" + TASK.bytes + mac_of_hook).rstrip(b"=").decode())


def test_secrets_rotate() -> None:
    """The first one signs, every one verifies; when the old one is gone, so are its tokens."""
    old = task_token(SECRETS, "acedata", TASK)
    both = OTHER + SECRETS
    assert read_token(both, "acedata", old) == TASK
    assert task_token(both, "acedata", TASK) == task_token(OTHER, "acedata", TASK)
    assert not valid(old, secrets=OTHER)


@pytest.mark.parametrize("host", ["https://us.example/callbacks/acedata/", "http://old:8080/x/callbacks/former/", ""])
@pytest.mark.parametrize("behind", ["", "/", "?a=b/c", "#d/e", "/?"])
def test_the_task_that_a_url_names_is_told_whatever_its_host_and_its_secret(host: str, behind: str) -> None:
    assert task_named_in(host + task_token(OTHER, "acedata", TASK) + behind) == TASK


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "https://[",
        "https://us.example/callbacks/acedata/",
        "https://us.example/callbacks/acedata/é",
        "https://us.example/callbacks/acedata/" + account_token(SECRETS, "acedata"),
        "https://us.example/callbacks/acedata/" + task_token(SECRETS, "acedata", TASK)[:-4],
        "https://us.example/callbacks/acedata/" + task_token(SECRETS, "acedata", TASK) + "A",
        "https://us.example/" + task_token(SECRETS, "acedata", TASK) + "/more",
        "https://us.example/" + "B" + task_token(SECRETS, "acedata", TASK)[1:],
    ],
)
def test_a_url_that_ends_in_no_task_token_names_no_task(address: str) -> None:
    assert task_named_in(address) is None
