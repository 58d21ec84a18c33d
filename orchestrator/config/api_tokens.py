"""API tokens: who may use the API, and as what. What is kept of a token is its digest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, NamedTuple, Self

from orchestrator.errors import ConfigError

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
SHORTEST = 16  # characters of a token
_HASHED = re.compile(r"sha256\$[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """digest: SHA-256 of the token. A token is random and long, so that no slower function is needed."""

    name: str
    role: Role
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, role: Role, token: str) -> Self:
        return cls(name=name, role=role, digest=digest(token))


class Entry(NamedTuple):
    """One entry of ORCHESTRATOR_API_TOKENS. secret: the token, or what ``hashed`` makes of it."""

    name: str
    role: Role
    secret: str

    @property
    def token(self) -> str | None:
        """The token itself, if it is known here."""
        return None if _HASHED.fullmatch(self.secret) else self.secret

    @property
    def digest(self) -> bytes:
        return digest(self.token) if self.token else bytes.fromhex(self.secret.partition("$")[2])

    def as_hashed(self) -> str:
        """The entry, with nothing in it that opens the API."""
        return f"{self.name}:{self.role}:sha256${self.digest.hex()}"


def digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()


def hashed(token: str) -> str:
    """What may stand in the configuration in the place of a token."""
    return f"sha256${digest(token).hex()}"


def entries(text: str) -> list[Entry]:
    """``name:role:token,...`` taken apart. Raises ConfigError, which names an entry by its number: it is secret."""
    found: list[Entry] = []
    for number, part in enumerate((p.strip() for p in text.split(",") if p.strip()), 1):
        name, _, rest = part.partition(":")
        role, _, secret = rest.partition(":")
        half = secret.startswith("sha256$") and not _HASHED.fullmatch(secret)
        if role not in ROLES or not name or len(secret) < SHORTEST or half:
            raise ConfigError(
                f"ORCHESTRATOR_API_TOKENS: entry {number} is not name:role:token with a role of {', '.join(ROLES)} and "
                f"a token of at least {SHORTEST} characters, or sha256$ and 64 hexadecimal digits in lower case"
            )
        found.append(Entry(name, role, secret))
    return found


def api_tokens(text: str) -> tuple[ApiToken, ...]:
    """The tokens of ORCHESTRATOR_API_TOKENS. Raises ConfigError."""
    return tuple(ApiToken(name=one.name, role=one.role, digest=one.digest) for one in entries(text))
