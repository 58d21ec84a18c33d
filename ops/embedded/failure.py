"""What goes wrong with an embedded server."""

from __future__ import annotations


class EmbeddedError(RuntimeError):
    """An embedded server could not be started or stopped; the message says which, why, and what to do."""
