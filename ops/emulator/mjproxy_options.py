"""What an emulator can be told about its midjourney-proxy dialect alone."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

LAYERS = ("java", "plus", "csharp", "gateway")
BALANCE_CODES = (4, 25)


@dataclass(frozen=True, slots=True)
class MjOptions:
    """Settings of the midjourney-proxy dialect.

    layer           which implementation is imitated
    queue           tasks that may wait in line for a slot, beyond those at work
    remix           whether the account has Remix on, so that reroll, variation and pan open a window first
    notify          whether the gateway passes `notifyHook` on
    account_filter  whether the gateway passes `accountFilter` on
    numeric_result  `result` of a submit is a number, as one document shows it
    long_ids        task ids have 17 digits and are odd: a client that reads them as doubles spoils them
    poll            seconds between the gateway's own looks at a task; with `instant` it looks at once
    timeout         seconds after which `java` gives up a task that may still succeed; 0: never
    balance_code    code when the quota is used up behind the gateway: 4 (as its source), 25 (as one document)
    """

    layer: str = "plus"
    queue: int = 10
    remix: bool = False
    notify: bool = False
    account_filter: bool = False
    numeric_result: bool = False
    long_ids: bool = False
    poll: float = 15.0
    timeout: float = 300.0
    balance_code: int = 4

    def __post_init__(self) -> None:
        if self.layer not in LAYERS:
            raise ValueError(f"mj layer must be one of {', '.join(LAYERS)}, not {self.layer!r}")
        if self.balance_code not in BALANCE_CODES:
            raise ValueError(f"mj balance code must be one of {BALANCE_CODES}, not {self.balance_code}")

    def changed(self, wishes: dict[str, Any]) -> MjOptions:
        """A copy with some settings changed; ValueError names what can't be, the layer among it."""
        can = {field.name for field in fields(self)} - {"layer"}
        unknown = sorted(set(wishes) - can)
        if unknown:
            raise ValueError(f"cannot change mj {', '.join(unknown)}; can change {', '.join(sorted(can))}")
        return replace(self, **wishes)
