"""Brings what was spooled into the database, in order, as soon as that is back."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace

import structlog

from orchestrator.errors import DatabaseBusy, DatabaseUnavailable, MalformedDelivery
from orchestrator.intake.deliveries import take_spooled
from orchestrator.services import Services
from orchestrator.spool import Delivery, Segment, unpack

log = structlog.get_logger(__name__)
RETRY = 1.0  # seconds between passes while something is left
LOOK = 5.0  # seconds between looks for what a dead process has left
TRIES = 5  # of a delivery that itself makes the trouble


class Drainer:
    """One per web process. `drain` is one pass; `start` makes passes in a thread until `stop`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._spool = services.spool
        self._done: dict[str, int] = {}  # file -> bytes of it that were dealt with in a former pass
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._stopped = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the delivery at hand; the rest stays where it is."""
        self._stopped.set()
        self._spool.filled.set()
        self._thread.join()

    def drain(self) -> int:
        """One pass, oldest first: how many deliveries were dealt with.

        Raises DatabaseUnavailable at the first that finds no database; the next pass goes on there.
        """
        dealt_with = 0
        with closing(self._spool.claim()) as claimed:
            for segment in claimed:
                dealt_with += self._empty(segment)
        if dealt_with:
            log.info("spool drained", deliveries=dealt_with)
        return dealt_with

    def _empty(self, segment: Segment) -> int:
        name, dealt_with, damage = segment.path.name, 0, 0
        for found in unpack(segment.read(), segment.mark):
            if found.delivery is None:
                damage += found.end - found.start
            elif found.end > self._done.get(name, 0):
                if self._stopped.is_set():
                    return dealt_with
                self._deal_with(found.delivery, name, found.end)
                dealt_with += 1
        self._done.pop(name, None)
        if damage:
            aside = segment.set_aside()
            log.warning("a part of the spool cannot be read and was set aside", bytes=damage, file=str(aside))
        else:
            segment.remove()
        return dealt_with

    def _deal_with(self, delivery: Delivery, name: str, end: int) -> None:
        try:
            self._take(delivery)
        except DatabaseBusy:
            # The row of this one is locked, perhaps for long: the others need not wait for it.
            self._spool.append(delivery, moved=True)
            self._done[name] = end
            raise
        except DatabaseUnavailable:
            self._services.db.circuit.failed()
            raise
        self._done[name] = end
        self._services.db.circuit.worked()

    def _take(self, delivery: Delivery) -> None:
        try:
            take_spooled(self._services, delivery)
        except DatabaseUnavailable:
            raise
        except MalformedDelivery:
            """Kept as evidence, as it would have been at once."""
        except Exception:  # the delivery makes the trouble, or our reading of it
            log.exception("a spooled delivery could not be taken", delivery=str(delivery.id), tries=delivery.tries + 1)
            self._put_off(replace(delivery, tries=delivery.tries + 1))

    def _put_off(self, delivery: Delivery) -> None:
        """To the end of the spool, or, when it was tried often enough, aside."""
        if delivery.tries < TRIES:
            self._spool.append(delivery, moved=True)
            return
        aside = self._spool.set_aside(delivery)
        log.error("a spooled delivery was set aside", delivery=str(delivery.id), file=str(aside))

    def _work(self) -> None:
        trouble = ""
        while not self._stopped.is_set():
            self._spool.filled.clear()
            try:
                self.drain()
                trouble = ""
            except DatabaseUnavailable as error:
                if error.message != trouble:
                    trouble = error.message
                    log.warning("the spool waits for the database", error=trouble)
            except Exception:  # the thread has to live: without it nothing is drained
                log.exception("the spool could not be drained")
            if self._spool.waits():
                self._stopped.wait(RETRY)
            else:
                self._spool.filled.wait(LOOK)
