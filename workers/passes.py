"""``python -m workers.passes N``: do N passes of the sweep here, one after the other; their milliseconds as JSON.

With the environment of a worker, on its database; what a pass would say to the workers is not said. And the memory: the
megabytes that Python needs more in one further pass.
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc

from orchestrator import config, logs
from orchestrator.broker.nudges import Silence
from orchestrator.services import Services
from workers.sweep import sweep


def main(count: int) -> None:
    logs.configure()
    services = Services(config.load(), nudge=Silence(), pool=2)
    try:
        sweep(services)  # what is done once
        spent = [_pass(services) for _ in range(count)]
        tracemalloc.start()
        sweep(services)
        needed = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        services.close()
    sys.stdout.write(json.dumps({"milliseconds": spent, "megabytes": needed}) + "\n")


def _pass(services: Services) -> float:
    began = time.perf_counter()
    sweep(services)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]))
