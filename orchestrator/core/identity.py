"""How processes of one installation know each other: by the secrets, without telling them to anybody."""

from __future__ import annotations

import hashlib
import hmac

# The headers of a question at /healthz, and of its answer.
QUESTION, PROCESS, PROOF = "Orchestrator-Question", "Orchestrator-Process", "Orchestrator-Proof"


def fingerprint(secret: bytes) -> str:
    """By which two processes can see that their secrets differ: too short to try guesses against."""
    return hmac.new(secret, b"fingerprint", hashlib.sha256).digest()[:4].hex()


def challenge(secret: bytes, nonce: str) -> str:
    """A question that only who knows the secret can ask, and answer: ``nonce`` is letters and digits."""
    return f"{nonce}.{_identity(secret, b'ask', nonce)}"


def answer(secrets: tuple[bytes, ...], question: str, name: str) -> str | None:
    """The proof that the process of this name knows the secret of the question; None if it does not."""
    nonce, _, mac = question.partition(".")
    given = mac.encode(errors="replace")
    known = [one for one in secrets if hmac.compare_digest(_identity(one, b"ask", nonce).encode(), given)]
    return _identity(known[0], b"answer", f"{nonce}.{name}") if known else None


def proves(secret: bytes, nonce: str, name: str, proof: str) -> bool:
    """Whether an answer is that of the process of this name to the question with this nonce."""
    return hmac.compare_digest(_identity(secret, b"answer", f"{nonce}.{name}").encode(), proof.encode())


def _identity(secret: bytes, what: bytes, text: str) -> str:
    """With a key of its own, so that nobody can have a callback token made in this way."""
    key = hmac.new(secret, b"identity", hashlib.sha256).digest()
    return hmac.new(key, what + b"\x00" + text.encode(errors="replace"), hashlib.sha256).hexdigest()
