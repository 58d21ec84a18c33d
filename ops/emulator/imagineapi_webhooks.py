"""ImagineAPI's webhooks: each change of a row to each of the user's addresses, with the row read again when sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ops.emulator.engine import Engine
from ops.emulator.imagineapi_rows import Rows
from ops.emulator.jobs import Job
from ops.emulator.letters import Letter, forgery

CREATED, UPDATED = "images.items.create", "images.items.update"


class Webhooks:
    """Posts the events of rows. The payload is the row of the moment of sending, not of the change."""

    def __init__(self, engine: Engine, rows: Rows) -> None:
        self._engine = engine
        self._rows = rows
        engine.on_change(self._changed)

    def created(self, job: Job) -> None:
        """The row is there."""
        self._engine.courier.send(self._letters(job, CREATED))

    def updated(self, job: Job) -> None:
        """The row was written, by the bot or by its user."""
        self._engine.courier.send(self._letters(job, UPDATED))

    def _changed(self, job: Job, at_once: bool) -> None:
        if job.order.dialect is not self._rows:
            return
        letters = self._letters(job, UPDATED)
        (self._engine.courier.send_now if at_once else self._engine.courier.send)(letters)
        if job.state == "finished" and job.frame and self._engine.chaos.strikes("straggle", job.ordinal):
            self._regress(job)

    def _regress(self, job: Job) -> None:
        """A progress patch that comes after the end, and the end once more, so that the row is right at last."""
        delay = self._engine.options.chaos_delay * (0.1 + self._engine.chaos.share("late patch", job.ordinal))
        self._engine.scheduler.after(delay, partial(self._patch, job, late=True))
        self._engine.scheduler.after(2 * delay, partial(self._patch, job, late=False))

    def _patch(self, job: Job, *, late: bool) -> None:
        self._rows.regress(job, late=late)
        self.updated(job)

    def _letters(self, job: Job, event: str) -> list[Letter]:
        made: list[Letter] = []
        for place, url in enumerate(self._engine.options.imagineapi.webhooks):
            made += self._letters_to(url, place, job, event)
        return made

    def _letters_to(self, url: str, place: int, job: Job, event: str) -> list[Letter]:
        chaos, delay = self._engine.chaos, self._engine.options.chaos_delay
        dice = (job.ordinal, job.frame, job.state, event, place)
        read = self._reader(job, event)
        overtaken = chaos.strikes("reorder", *dice)
        letter = Letter(
            url=url,
            body=read(),
            kind="true",
            task_id=job.task_id,
            ordinal=job.ordinal,
            lane=job.ordinal + place,
            progress=job.progress,
            delay=delay * (0.5 + chaos.share("lateness", *dice)) if chaos.strikes("delay", *dice) else 0.0,
            dropped=chaos.strikes("drop", *dice),
            postponed=overtaken,
            fresh=None if overtaken else read,  # what is overtaken on its way was read before it set out
        )
        copies = 1 + int(chaos.share("copies", *dice) * 2) if chaos.strikes("duplicate", *dice) else 0
        again = [replace(letter, kind="duplicate", lane=letter.lane + n) for n in range(1, copies + 1)]
        return [letter, *([] if letter.dropped else again), *forgery(replace(letter, fresh=None), job, chaos)]

    def _reader(self, job: Job, event: str) -> Callable[[], bytes]:
        def read() -> bytes:
            return json.dumps({"event": event, "payload": self._rows.body(job)}, ensure_ascii=False).encode()

        return read
