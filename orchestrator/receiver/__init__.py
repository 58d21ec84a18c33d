"""Where providers knock: ``POST /callbacks/{account}/{token}``, and what is done with the spool afterwards."""

from orchestrator.receiver.callbacks import blueprint
from orchestrator.receiver.drainer import Drainer

__all__ = ["Drainer", "blueprint"]
