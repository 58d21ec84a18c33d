"""What the midjourney-proxy dialect orders, and how its requests' common fields are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ops.emulator import edits
from ops.emulator.engine import Engine
from ops.emulator.ids import number, share
from ops.emulator.jobs import Dialect, Order
from ops.emulator.journal import shortened
from ops.emulator.mjproxy_buttons import version_of
from ops.emulator.mjproxy_http import Rejection, unreadable
from ops.emulator.mjproxy_layers import Layer
from ops.emulator.mjproxy_options import MjOptions
from ops.emulator.pictures import Picture
from ops.emulator.prompts import MODERATED, Prompt, quadrant_size, read_prompt
from ops.emulator.words import translation

_PACE = {"FAST": 1.0, "RELAX": 3.0, "TURBO": 0.4}
_FRAMES = (
    ("0%", "0%", "15%", "31%", "46%", "62%", "78%", "93%"),
    ("0%", "Waiting to start", "0%", "35%", "75%"),
)
_LONGEST_STATE, _LONGEST_HOOK = 255, 2000  # characters


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, under which path prefix (FAST, RELAX, TURBO or none), and what with."""

    token: str
    trace_id: str
    base_url: str
    mode: str | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MjOrder(Order):
    """An Order with what a task object of this dialect tells.

    description     of the task, in the layer's words
    prompt_en       the prompt, translated where the layer translates
    final_prompt    the prompt as the bot repeats it; of a describe or shorten, the text that is the result
    version         `v 6.1`, `niji 6`
    words           progress strings, one for each frame
    shown           address of a picture that was not made, but given
    paragraphs      how many numbered texts the result has; 0: it is a picture
    own_action      what the gateway calls the action, where it differs
    """

    layer: Layer
    description: str
    prompt_en: str
    final_prompt: str
    bot: str
    version: str
    mode: str
    words: tuple[str, ...] = ()
    shown: str | None = None
    paragraphs: int = 0
    own_action: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done, before anybody asks for it.

    share   how long it takes beside an imagine
    watched whether it shows progress
    """

    action: str
    prompt: str
    picture: Picture
    description: str
    share: float = 1.0
    watched: bool = True
    final_prompt: str | None = None
    parent: str | None = None
    button: str | None = None
    shown: str | None = None
    paragraphs: int = 0
    own_action: str | None = None
    bot: str | None = None


def order_of(work: Work, asked: Asked, engine: Engine, dialect: Dialect, *, layer: Layer, task_id: str) -> MjOrder:
    """The order for a piece of work; Rejection when a common field is wrong or a word is banned."""
    prompt_en, prompt = english(layer, work.prompt), read_prompt(work.prompt)
    check_words(prompt, prompt_en)
    bot = work.bot or bot_of(asked.body, prompt)
    failure = prompt.failure()
    mode = _mode(asked, prompt, layer, engine.options.mj)
    words = _words(work, asked, failure)
    return MjOrder(
        dialect=dialect,
        action=work.action,
        prompt=work.prompt,
        picture=work.picture,
        token=asked.token,
        base_url=asked.base_url,
        request=shortened(asked.body),
        trace_id=asked.trace_id,
        image_id=work.parent,
        callback_url=_hook(asked.body, layer, engine.options.mj),
        frames=tuple(_percent(word) for word in words),
        seconds=_seconds(work, asked, mode, failure, engine),
        error=failure,
        client_state=_state(asked.body, layer),
        button=work.button,
        task_id=task_id,
        queues=True,
        overdue=engine.options.mj.timeout or None if layer.name == "java" else None,
        traced=True,
        layer=layer,
        description=work.description,
        prompt_en=prompt_en,
        final_prompt=prompt_en if work.final_prompt is None else work.final_prompt,
        bot=bot,
        version=version_of(prompt, bot),
        mode=mode,
        words=words,
        shown=work.shown,
        paragraphs=work.paragraphs,
        own_action=work.own_action,
    )


def reworded(order: MjOrder, prompt: str, picture: Picture) -> MjOrder:
    """The order with the prompt its window was confirmed with."""
    prompt_en, read = english(order.layer, prompt), read_prompt(prompt)
    check_words(read, prompt_en)
    failure = read.failure()
    changes: dict[str, Any] = {"prompt": prompt, "prompt_en": prompt_en, "final_prompt": prompt_en}
    if failure:
        changes |= {"words": (), "frames": ()}
    return replace(order, picture=picture, error=failure, version=version_of(read, order.bot), **changes)


def english(layer: Layer, prompt: str) -> str:
    """The prompt in English, as far as the layer cares and the glossary goes."""
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in prompt)
    return translation(prompt) if chinese and layer.translates else prompt


def check_words(prompt: Prompt, prompt_en: str) -> None:
    """Rejection with code 24 when a word is banned."""
    banned = next((word for word in map(_bare, prompt.text) if word in MODERATED), None)
    if banned:
        raise Rejection(24, "可能包含敏感词", properties={"promptEn": prompt_en, "bannedWord": banned})


def text_of(body: dict[str, Any], key: str, layer: Layer) -> str:
    """A string field, trimmed; numbers become strings, as deserialisers have it."""
    value = body.get(key)
    if isinstance(value, dict | list):
        raise unreadable(layer)
    return "" if value is None else str(value).strip()


def list_of(body: dict[str, Any], key: str, layer: Layer) -> list[Any]:
    """A list field; absent or null: nothing in it."""
    value = body.get(key)
    if value is not None and not isinstance(value, list):
        raise unreadable(layer)
    return value or []


def bot_of(body: dict[str, Any], prompt: Prompt) -> str:
    """MID_JOURNEY or NIJI_JOURNEY; anything unknown is the former."""
    asked = str(body.get("botType") or "")
    return "NIJI_JOURNEY" if asked in ("niji", "NIJI_JOURNEY") or "niji" in prompt.parameters else "MID_JOURNEY"


def new_grid(prompt: Prompt, image_size: int) -> Picture:
    """Four new pictures of the ratio the prompt asks for."""
    return edits.grid(*quadrant_size((1, 1) if prompt.invalid else prompt.ratio, image_size), prompt.theme)


def check_account(body: dict[str, Any], channel: str, layer: Layer, options: MjOptions) -> None:
    """Rejection with code 3 when `accountFilter` asks for an account that isn't the one there is."""
    wish = body.get("accountFilter") or {}
    if not isinstance(wish, dict):
        raise unreadable(layer)
    if layer.name == "gateway" and not options.account_filter:
        return
    named = {str(wish.get(key) or channel) for key in ("channelId", "instanceId")}
    if named != {channel}:
        raise Rejection(3, "无可用的账号实例")


def _mode(asked: Asked, prompt: Prompt, layer: Layer, options: MjOptions) -> str:
    """The path wins over accountFilter, and that over the prompt."""
    wish = asked.body.get("accountFilter") or {}
    heard = layer.name != "gateway" or options.account_filter
    modes = wish.get("modes") if heard and isinstance(wish, dict) else None
    named = [mode for mode in modes or () if mode in _PACE] if isinstance(modes, list) else []
    written = [mode for mode in _PACE if mode.lower() in prompt.parameters]
    return next(iter([*filter(None, [asked.mode]), *named, *written]), "FAST")


def _hook(body: dict[str, Any], layer: Layer, options: MjOptions) -> str | None:
    if layer.name == "gateway" and not options.notify:
        return None
    hook = text_of(body, "notifyHook", layer)
    if layer.name == "csharp" and len(hook) > _LONGEST_HOOK:
        raise Rejection(4, "回调地址长度不能超过2000")
    return hook or None


def _state(body: dict[str, Any], layer: Layer) -> str | None:
    state = body.get("state")
    if isinstance(state, dict | list):
        raise unreadable(layer)
    if layer.name == "csharp" and len(str(state or "")) > _LONGEST_STATE:
        raise Rejection(4, "state长度不能超过255")
    return None if state is None else str(state)


def _words(work: Work, asked: Asked, failure: tuple[str, str] | None) -> tuple[str, ...]:
    if not work.watched:
        return ()
    words = _FRAMES[number(asked.trace_id, "frames") % len(_FRAMES)]
    return words if failure is None else words[:-2] if failure[0] == "broken" else ()


def _percent(word: str) -> int:
    return int(word[:-1]) if word.endswith("%") else 0


def _seconds(work: Work, asked: Asked, mode: str, failure: tuple[str, str] | None, engine: Engine) -> float:
    usual = engine.options.latency * _PACE[mode] * work.share
    part = 1.0 if failure is None else 0.5 if failure[0] == "broken" else 0.1
    return usual * part * (0.8 + 0.4 * share(asked.trace_id, "seconds"))


def _bare(word: str) -> str:
    return word.strip(".,;:!?").lower()
