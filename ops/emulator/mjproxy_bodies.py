"""Task objects as the midjourney-proxy layers serialise them, and which of their changes are posted."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, cast

from ops.emulator.engine import Engine
from ops.emulator.ids import number, snowflake
from ops.emulator.jobs import Job
from ops.emulator.links import Links
from ops.emulator.mjproxy_buttons import description_buttons, picture_buttons, shortened_buttons
from ops.emulator.mjproxy_csharp import more_of
from ops.emulator.mjproxy_layers import PLUS, Layer
from ops.emulator.mjproxy_orders import MjOrder

_STATUSES = {
    "queued": "NOT_START",
    "pending": "NOT_START",
    "started": "SUBMITTED",
    "generating": "IN_PROGRESS",
    "finished": "SUCCESS",
    "failed": "FAILURE",
    "cancelled": "CANCEL",
    "modal": "MODAL",
}
_RANKS = {"NOT_START": 0.0, "MODAL": 0.0, "CANCEL": 0.0, "SUBMITTED": 1.0, "IN_PROGRESS": 3.0, "FAILURE": 4.0}
_REASONS = {"bad_request": "[Invalid parameter] ", "moderation": "[Banned prompt detected] "}
_FIXED_REASONS = {"timeout": "任务超时", "cancelled": "取消任务"}


@dataclass(frozen=True, slots=True)
class Moment:
    """A state a job was in: its state and how many frames it had shown."""

    state: str
    frame: int

    @property
    def status(self) -> str:
        return _STATUSES[self.state]


class MjProxy:
    """The dialect: ids, task objects, and the rule which changes its notifyHook hears of."""

    fails_first = True

    def __init__(self, engine: Engine, links: Links) -> None:
        self._engine = engine
        self._links = links
        self._lock = threading.Lock()
        self._serial = 0

    def new_id(self) -> str:
        """Epoch milliseconds and three digits; with `long_ids` a fourth, odd one."""
        options = self._engine.options
        with self._lock:
            self._serial += 1
            serial = self._serial
        text = f"{int(self._engine.clock.now() * 1000)}{(number(options.seed, 'task ids') + serial) % 1000:03}"
        return f"{text}{2 * (serial % 5) + 1}" if options.mj.long_ids else text

    def channel(self, token: str) -> str:
        """The id of the account that works for a token."""
        return str(1_200_000_000_000_000_000 + number(self._engine.options.seed, "channel", token) % 10**17)

    def body(self, job: Job) -> dict[str, Any]:
        """The task object as callbacks carry it: what a gateway passes on is what is behind it."""
        return self.task(job, self._behind(job), Moment(job.state, job.frame))

    def announces(self, job: Job) -> bool:
        """Not when its rank is below that of the last event; whether an equal one goes out again is the layer's way."""
        layer = self._behind(job)
        moment = Moment(job.state, job.frame)
        rank = layer.success_rank if moment.status == "SUCCESS" else _RANKS[moment.status]
        if moment.status == "IN_PROGRESS":
            rank += job.progress / 100
        if rank < job.told or (rank == job.told and not layer.equal_again):
            return False
        job.told = -1.0 if layer.forgets and job.done else rank
        return True

    def contrary(self, job: Job) -> dict[str, Any]:
        """A FAILURE by time-out of a task that succeeds."""
        failure = {"status": "FAILURE", "failReason": "任务超时", "progress": ""}
        return {**self.body(job), **failure, **({"buttons": []} if self._behind(job).buttons else {})}

    def straggler(self, job: Job) -> dict[str, Any] | None:
        """The last progress again, where the rank is forgotten at the end."""
        layer = self._behind(job)
        return self.task(job, layer, Moment("generating", job.frame)) if layer.forgets and job.frame else None

    def task(self, job: Job, layer: Layer, moment: Moment) -> dict[str, Any]:
        """The task object of java, plus or csharp at a moment of the job's life."""
        order = self.order(job)
        ended = moment.state in ("finished", "failed", "cancelled")
        facts: dict[str, Any] = {
            "id": job.task_id,
            "properties": self._properties(job, moment),
            "action": order.action,
            "status": moment.status,
            "prompt": order.prompt,
            "promptEn": self._prompt_en(order, moment),
            "description": order.description,
            "state": order.client_state,
            "submitTime": _milliseconds(job.submitted_at),
            "startTime": _milliseconds(job.started_at) if moment.status not in ("NOT_START", "MODAL") else None,
            "finishTime": _milliseconds(job.finished_at) if ended else None,
            "imageUrl": self.image_url(job, moment),
            "progress": self.progress(order, moment),
            "failReason": self.reason(job) if moment.state == "failed" else None,
        }
        if layer.buttons:
            facts["buttons"] = self.buttons(job, layer) if moment.state == "finished" else []
        if layer.name == "csharp":
            facts |= more_of(job, order, finished=moment.state == "finished", parts=self._parts(job, moment))
            named = facts["properties"]["discordInstanceId"]
            facts["displays"] |= {"status": facts["status"], "discordInstanceId": named}
        return facts

    def order(self, job: Job) -> MjOrder:
        """The job's order, which is one of this dialect."""
        return cast(MjOrder, job.order)

    def image_url(self, job: Job, moment: Moment) -> str | None:
        """The result, or the frame now shown; None before there is anything to see."""
        order, options = self.order(job), self._engine.options
        if moment.state == "finished":
            if order.paragraphs:
                return order.shown
            at = job.finished_at or self._engine.clock.now()
            return self._links.result(job, style=options.url_style, now=at, lifetime=options.url_lifetime)[0]
        if moment.state != "generating" or not order.frames[moment.frame - 1]:
            return None
        now = self._engine.clock.now()
        return self._links.frame(job, now=now, lifetime=options.url_lifetime, frame=moment.frame)[0]

    def progress(self, order: MjOrder, moment: Moment) -> str | None:
        """`46%`, a few words, nothing after a failure; None before the start."""
        match moment.status:
            case "SUBMITTED":
                return "0%"
            case "IN_PROGRESS":
                return order.words[moment.frame - 1]
            case "SUCCESS":
                return "100%"
            case "FAILURE" | "CANCEL":
                return ""
            case _:
                return None

    def reason(self, job: Job) -> str:
        """failReason of a failed job."""
        kind, message = job.error or ("broken", "")
        return _FIXED_REASONS.get(kind) or _REASONS.get(kind, "[Internal Server Error] ") + message

    def buttons(self, job: Job, layer: Layer) -> list[dict[str, Any]]:
        """What can be pressed when the job has succeeded."""
        order = self.order(job)
        if order.action == "DESCRIBE":
            return description_buttons(layer, order.paragraphs)
        if order.action == "SHORTEN":
            return shortened_buttons(order.paragraphs)
        return [] if order.action == "SWAP_FACE" else picture_buttons(layer, job.picture, order.version, job.job_id)

    def _behind(self, job: Job) -> Layer:
        layer = self.order(job).layer
        return PLUS if layer.name == "gateway" else layer

    def _prompt_en(self, order: MjOrder, moment: Moment) -> str:
        return order.final_prompt if order.action == "DESCRIBE" and moment.state == "finished" else order.prompt_en

    def _parts(self, job: Job, moment: Moment) -> list[str]:
        if moment.state != "finished" or not job.picture.grid or self.order(job).paragraphs:
            return []
        options, at = self._engine.options, job.finished_at or self._engine.clock.now()
        return self._links.parts(job, style=options.url_style, now=at, lifetime=options.url_lifetime)

    def _properties(self, job: Job, moment: Moment) -> dict[str, Any]:
        order = self.order(job)
        facts: dict[str, Any] = {
            "notifyHook": order.callback_url,
            "nonce": str(1_600_000_000_000_000_000 + number(job.seed, "nonce", job.task_id) % 10**17),
            "discordInstanceId": self.channel(order.token),
        }
        if order.layer.name != "java":
            facts |= {"botType": order.bot} | ({"customId": order.button} if order.button else {})
        if order.image_id:
            facts["referencedMessageId"] = str(number(job.seed, "message", order.image_id))
        if moment.state in ("generating", "finished"):
            facts["progressMessageId"] = snowflake(job.seed, job.ordinal, 1)
            if not order.paragraphs or moment.state == "finished":
                facts["finalPrompt"] = order.final_prompt
        if moment.state == "finished":
            facts |= {"messageId": job.image_id_at(0), "messageHash": job.job_id, "flags": 0}
            facts["messageContent"] = f"**{order.final_prompt}** - <@{self.channel('bot')}> ({order.mode.lower()})"
            if order.layer.name == "java":
                del facts["messageContent"]
        return facts


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
