"""The question at /healthz: who does not know the secret learns nothing, and gets nothing signed."""

from __future__ import annotations

import base64

import pytest

from orchestrator.core.identity import answer, challenge, fingerprint, proves
from orchestrator.core.tokens import account_token, read_token
from orchestrator.errors import BadToken

SECRETS = (b"a secret of sixteen or more", b"another one of sixteen or more")
ODD = [
    "",
    ".",
    "a",
    "a.",
    ".a",
    "a.b",
    "a." + "0" * 64,
    "é.é",
    "a.\udc80",
    "\udc80.a",
    "a." + "f" * 100_000,
    "." * 10_000,
]


@pytest.mark.parametrize("question", ODD, ids=range(len(ODD)))
def test_a_strangers_question_is_not_answered(question: str) -> None:
    assert answer(SECRETS, question, "web") is None


def test_who_knows_the_secret_is_answered_by_who_knows_it_too() -> None:
    for secret in SECRETS:
        proof = answer(SECRETS, challenge(secret, "nonce"), "web")
        assert proof is not None
        assert proves(secret, "nonce", "web", proof)
        assert not proves(secret, "other", "web", proof), "of another question"
        assert not proves(secret, "nonce", "worker", proof), "of another process"
        assert not proves(b"a third one of sixteen or more", "nonce", "web", proof)


def test_no_answer_and_no_fingerprint_is_a_token() -> None:
    """Not even of a question that spells what a token's MAC is made over."""
    token = account_token(SECRETS, "acedata")
    proof = answer(SECRETS, challenge(SECRETS[0], "acedata\x00\x02"), "web")
    assert proof is not None

    forged = base64.urlsafe_b64encode(b"\x02" + bytes.fromhex(proof)[:16]).rstrip(b"=").decode()
    assert forged != token
    with pytest.raises(BadToken):
        read_token(SECRETS, "acedata", forged)
    assert len(fingerprint(SECRETS[0])) == 8
