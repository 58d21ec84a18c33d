"""One process that owns all the others: starts them in order, watches, restarts and stops them.

``Supervisor(home, services).run()`` is the whole interface; ``running(home)`` tells what another one has running.
"""

from ops.supervisor.home import AlreadyRunning, Owner, running
from ops.supervisor.service import Backoff, Handle, Service, SupervisorError
from ops.supervisor.supervisor import Supervisor

__all__ = ["AlreadyRunning", "Backoff", "Handle", "Owner", "Service", "Supervisor", "SupervisorError", "running"]
