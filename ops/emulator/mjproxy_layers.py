"""The implementations that answer to the midjourney-proxy paths, and in what they differ."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from ops.emulator.mjproxy_options import MjOptions

_BUTTONS = frozenset({"action", "modal", "shorten", "upload", "swap", "seed"})
_CHANGES = frozenset({"change_task", "change_simply"})


@dataclass(frozen=True, slots=True)
class Layer:
    """One implementation.

    endpoints      names of the routes it has beyond imagine, blend, describe, fetch and list_by_condition
    buttons        whether task objects carry buttons
    strict_base64  whether pictures must be real data URLs
    translates     whether Chinese prompts are translated
    window         description of a 21 answer
    missing        HTTP status of code 3
    full           (code, description) when the line is full
    equal_again    whether an event of the rank of the one before is posted once more
    success_rank   rank of SUCCESS among events; FAILURE has 4
    forgets        whether the rank is forgotten after the end, so that anything may follow
    cancel_fails   whether a cancelled task is a FAILURE
    """

    name: str
    endpoints: frozenset[str]
    buttons: bool = True
    strict_base64: bool = True
    translates: bool = True
    window: str = "窗口等待"
    missing: int = 200
    full: tuple[int, str] = (23, "队列已满，请稍后尝试")
    equal_again: bool = True
    success_rank: float = 4.0
    forgets: bool = False
    cancel_fails: bool = False


JAVA = Layer("java", _CHANGES | {"task_list", "task_queue"}, buttons=False)
PLUS = Layer("plus", _BUTTONS | _CHANGES | {"task_list", "task_queue", "cancel"})
CSHARP = Layer(
    "csharp",
    _BUTTONS | {"task_list", "cancel", "list_by_ids", "video"},
    strict_base64=False,
    translates=False,
    window="Waiting for window confirm",
    missing=404,
    full=(9, "提交失败，队列已满，请稍后重试"),
    equal_again=False,
    success_rank=5.0,
    forgets=True,
    cancel_fails=True,
)
GATEWAY = Layer("gateway", _BUTTONS | _CHANGES | {"image"})
LAYERS = MappingProxyType({layer.name: layer for layer in (JAVA, PLUS, CSHARP, GATEWAY)})
EVERYWHERE = frozenset({"imagine", "blend", "describe", "fetch", "list_by_condition"})


def layer_of(options: MjOptions) -> Layer:
    """The layer the options ask for."""
    return LAYERS[options.layer]
