"""Which POSTs one event of a job gives rise to: the true one, and what chaos makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ops.emulator.chaos import Chaos
from ops.emulator.ids import digest, uuid_of
from ops.emulator.jobs import Job


@dataclass(frozen=True, slots=True)
class Letter:
    """One POST to be made.

    kind       true, duplicate, contradict, straggler or forged
    delay      seconds to wait before it is sent
    dropped    noted, never sent
    postponed  waits until a later letter has been sent
    lane       letters of one lane are sent one after the other
    fresh      what the body is when the letter is sent; None: what it was when it was written
    """

    url: str
    body: bytes
    kind: str
    task_id: str
    ordinal: int
    lane: int
    progress: int
    delay: float = 0.0
    dropped: bool = False
    postponed: bool = False
    early: bool = False
    fresh: Callable[[], bytes] | None = None


def letters(job: Job, chaos: Chaos, chaos_delay: float) -> list[Letter]:
    """Everything to be posted because the job stands where it stands now; empty without a callback URL."""
    if job.order.callback_url is None:
        return []
    true = _true_letter(job, job.order.callback_url, chaos, chaos_delay)
    made = [true]
    if not true.dropped:
        made += _duplicates(true, job, chaos)
        made += _straggler(true, job, chaos)
        made = _contradicted(made, true, job, chaos, chaos_delay)
    return made + forgery(true, job, chaos)


def _true_letter(job: Job, url: str, chaos: Chaos, chaos_delay: float) -> Letter:
    place = (job.ordinal, job.frame, job.state)
    return Letter(
        url=url,
        body=_encoded(job.order.dialect.body(job)),
        kind="true",
        task_id=job.task_id,
        ordinal=job.ordinal,
        lane=job.ordinal,
        progress=job.progress,
        delay=chaos_delay * (0.5 + chaos.share("lateness", *place)) if chaos.strikes("delay", *place) else 0.0,
        dropped=chaos.strikes("drop", *place),
        postponed=chaos.strikes("reorder", *place),
    )


def _duplicates(true: Letter, job: Job, chaos: Chaos) -> list[Letter]:
    if not chaos.strikes("duplicate", job.ordinal, job.frame, job.state):
        return []
    copies = 1 + int(chaos.share("copies", job.ordinal, job.frame) * 2)
    # Other lanes, so that the copies may arrive at the very same time.
    return [replace(true, kind="duplicate", lane=true.lane + n) for n in range(1, copies + 1)]


def _straggler(true: Letter, job: Job, chaos: Chaos) -> list[Letter]:
    body = job.order.dialect.straggler(job) if job.done and chaos.strikes("straggle", job.ordinal) else None
    return [replace(true, kind="straggler", body=_encoded(body), postponed=False)] if body else []


def _contradicted(made: list[Letter], true: Letter, job: Job, chaos: Chaos, chaos_delay: float) -> list[Letter]:
    """The letters with a false failure before or after them, where chaos wants it."""
    if job.state != "finished" or not chaos.strikes("contradict", job.ordinal):
        return made
    body = _encoded(job.order.dialect.contrary(job))
    if job.order.dialect.fails_first and chaos.share("failure first", job.ordinal) < 0.5:
        return [replace(true, kind="contradict", body=body), *made]
    later = true.delay + chaos_delay * (0.1 + chaos.share("contrary", job.ordinal))
    return [*made, replace(true, kind="contradict", body=body, delay=later, postponed=False)]


def forgery(true: Letter, job: Job, chaos: Chaos) -> list[Letter]:
    """What somebody else posts when the job has ended: to a wrong token, garbage, or of an unknown task."""
    if not job.done or not chaos.strikes("forge", job.ordinal):
        return []
    forged = replace(true, kind="forged", lane=true.lane + 1, delay=0.0, dropped=False, postponed=False)
    match int(chaos.share("forgery", job.ordinal) * 3):
        case 0:
            return [replace(forged, url=_wrong_token(true.url))]
        case 1:
            return [replace(forged, body=b'{"success": tru\xff')]
        case _:
            stranger = uuid_of(job.seed, "stranger", job.ordinal)
            unknown = replace(forged, body=true.body.replace(job.task_id.encode(), stranger.encode()))
            # To the true address only behind the true callback: before it, whoever knows the address is believed, and
            # nobody but the provider does.
            told = not (true.dropped or true.postponed or true.delay)
            return [replace(unknown, lane=true.lane) if told else replace(unknown, url=_wrong_token(true.url))]


def _wrong_token(url: str) -> str:
    parts = urlsplit(url)
    stem = parts.path.rpartition("/")[0]
    return urlunsplit(parts._replace(path=f"{stem}/{digest('forged', url).hex()}"))


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
