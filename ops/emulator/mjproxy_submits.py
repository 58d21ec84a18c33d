"""Turns read submits of the midjourney-proxy dialect into jobs or windows, and answers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, g

from ops.emulator.engine import Engine
from ops.emulator.jobs import Job
from ops.emulator.mjproxy_actions import (
    ALWAYS_WINDOWS,
    REMIXABLE,
    button_of,
    derived,
    mask_of,
    prefilled,
    prompt_alone,
    work_of,
)
from ops.emulator.mjproxy_bodies import MjProxy
from ops.emulator.mjproxy_buttons import Pressed
from ops.emulator.mjproxy_gateway import gateway_task
from ops.emulator.mjproxy_http import Rejection, submitted
from ops.emulator.mjproxy_images import Uploads
from ops.emulator.mjproxy_layers import Layer
from ops.emulator.mjproxy_orders import Asked, MjOrder, Work, check_account, order_of, reworded, text_of
from ops.emulator.mjproxy_windows import Window, Windows
from ops.emulator.refusals import Refusal
from ops.emulator.submission import at_once


@dataclass(frozen=True, slots=True)
class Desk:
    """Where submits are taken in: everything they need."""

    engine: Engine
    dialect: MjProxy
    windows: Windows
    uploads: Uploads
    layer: Layer

    def submit(self, work: Work, asked: Asked, task_id: str) -> Response:
        """A job for the work; Rejection when there is no room or no money for it."""
        check_account(asked.body, self.dialect.channel(asked.token), self.layer, self.engine.options.mj)
        return self._begin(self._order(work, asked, task_id))

    def press(self, asked: Asked, parent: Job, custom_id: str) -> Response:
        """A job for the pressed button, or a window when it has to be confirmed."""
        self._check_parent(parent)
        check_account(asked.body, self.dialect.channel(asked.token), self.layer, self.engine.options.mj)
        button = button_of(self.layer, custom_id, self.dialect.buttons(parent, self.layer))
        said = _description(button, parent.task_id, custom_id)
        size = self.engine.options.image_size
        work = work_of(self.layer, button, custom_id, parent, description=said, image_size=size)
        order = self._order(work, asked, self.dialect.new_id())
        if button.kind in ALWAYS_WINDOWS or (button.kind in REMIXABLE and self._remixes(asked.body)):
            return self._open(
                Window(order, button, parent, self.engine.clock.now(), prefilled(button, self.dialect.order(parent)))
            )
        return self._begin(order)

    def confirm(self, window: Window, body: dict[str, Any]) -> Response:
        """The window's job, under the id the window had."""
        prompt = text_of(body, "prompt", self.layer) or window.default_prompt
        if not prompt:
            raise Rejection(4, "prompt不能为空")
        source = window.parent.picture
        mask = mask_of(body.get("maskBase64"), source) if window.button.kind == "inpaint" else None
        parent_prompt, size = self.dialect.order(window.parent).prompt, self.engine.options.image_size
        picture = derived(window.button, source, prompt=prompt, parent_prompt=parent_prompt, image_size=size, mask=mask)
        order = reworded(window.order, prompt_alone(prompt), picture)
        if self.windows.take(window.task.task_id) is None:
            raise Rejection(4, "关联任务状态错误")
        try:
            return self._begin(order)
        except Rejection:
            self.windows.add(window)  # nothing was begun: it can be confirmed later
            raise

    def existing(self, parent: Job, custom_id: str) -> Response | None:
        """Code 21 when the very upscale is there or at work: it is not made twice."""
        for job in self.engine.book.newest_first():
            same = job.order.button == custom_id and job.order.image_id == parent.task_id
            if same and job.state not in ("failed", "cancelled"):
                task = self.dialect.body(job)
                seen = {"status": task["status"], "imageUrl": task["imageUrl"]}
                return submitted(self.layer, 21, "任务已存在", self.shown_id(job.task_id), seen)
        return None

    def shown_id(self, task_id: str) -> str | int:
        """The task id as submits answer it."""
        return int(task_id) if self.engine.options.mj.numeric_result else task_id

    def _order(self, work: Work, asked: Asked, task_id: str) -> MjOrder:
        return order_of(work, asked, self.engine, self.dialect, layer=self.layer, task_id=task_id)

    def _remixes(self, body: dict[str, Any]) -> bool:
        return self.engine.options.mj.remix or (self.layer.name == "csharp" and body.get("enableRemix") is True)

    def _check_parent(self, parent: Job) -> None:
        if self.layer.name == "gateway" and gateway_task(self.engine, self.dialect, parent)["status"] != "SUCCESS":
            raise Rejection(4, "task_status_not_success", gateway=True)
        if parent.state != "finished":
            raise Rejection(4, "关联任务状态错误")

    def _begin(self, order: MjOrder) -> Response:
        g.entry |= {"action": order.action, "callback_url": order.callback_url}
        instance = {"discordInstanceId": self.dialect.channel(order.token)}
        try:
            job = self.engine.accept(order)
        except Refusal as refusal:
            raise self._no_room(refusal.reason, instance) from refusal
        g.entry["task_id"] = job.task_id
        if job.ahead:
            said, properties = f"排队中，前面还有{job.ahead}个任务", {"numberOfQueues": job.ahead, **instance}
            answer = submitted(self.layer, 22, said, self.shown_id(job.task_id), properties)
        else:
            answer = submitted(self.layer, 1, "提交成功", self.shown_id(job.task_id), instance)
        return at_once(self.engine, job, answer)

    def _open(self, window: Window) -> Response:
        self.windows.add(window)
        g.entry |= {"action": window.order.action, "callback_url": window.order.callback_url}
        rewritten = self.layer.name == "gateway" and window.button.kind not in ("custom_zoom", "inpaint")
        properties = {"finalPrompt": window.default_prompt, "remix": True}
        task_id = self.shown_id(window.task.task_id)
        return submitted(self.layer, 1 if rewritten else 21, self.layer.window, task_id, properties)

    def _no_room(self, reason: str, instance: dict[str, Any]) -> Rejection:
        if reason == "queue_full":
            return Rejection(*self.layer.full, properties=instance)
        if self.layer.name != "gateway":
            return Rejection(3, "无可用的账号实例")
        code = self.engine.options.mj.balance_code
        return Rejection(4, "quota_not_enough", gateway=True) if code == 4 else Rejection(code, "余额不足")


def _description(button: Pressed, parent_id: str, custom_id: str) -> str:
    match button.kind:
        case "upsample":
            return f"/up {parent_id} U{button.number}"
        case "variation":
            return f"/up {parent_id} V{button.number}"
        case "reroll":
            return f"/up {parent_id} R"
        case _:
            return f"/action {parent_id} {custom_id}"
