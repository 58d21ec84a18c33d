"""Where providers knock: ``POST /callbacks/{account}/{token}``."""

from orchestrator.receiver.callbacks import blueprint

__all__ = ["blueprint"]
