"""Why a request is refused, in words every dialect can translate into its own status, code and body."""

from __future__ import annotations


class Refusal(Exception):
    """A request that makes no job. `reason` is one of the keys each dialect maps; `message` is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
