"""What an emulator can be told about its ImagineAPI dialect alone."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

BOT_STATUSES = ("starting", "healthy", "unhealthy", "paused")


@dataclass(frozen=True, slots=True)
class ImagineOptions:
    """Settings of the ImagineAPI dialect.

    ref         whether rows have the `ref` of the hosted service; the open-source schema has none
    queued      whether a row that waits for the bot says `queued`; otherwise it stays `pending`
    images      rows a user may have before creating more is refused, as for demo accounts; None: any number
    bot_status  what `GET /items/status` says
    webhooks    where every user's row changes are posted
    """

    ref: bool = True
    queued: bool = False
    images: int | None = None
    bot_status: str = "healthy"
    webhooks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.bot_status not in BOT_STATUSES:
            raise ValueError(f"bot_status must be one of {', '.join(BOT_STATUSES)}, not {self.bot_status!r}")
        wrong = [url for url in self.webhooks if not str(url).startswith(("http://", "https://"))]
        if wrong:
            raise ValueError(f"webhooks must be http or https URLs, not {wrong[0]!r}")

    def changed(self, wishes: dict[str, Any]) -> ImagineOptions:
        """A copy with some settings changed; ValueError names what is unknown or wrong."""
        can = {field.name for field in fields(self)}
        unknown = sorted(set(wishes) - can)
        if unknown:
            raise ValueError(f"cannot change imagineapi {', '.join(unknown)}; can change {', '.join(sorted(can))}")
        if "webhooks" in wishes:
            wishes = {**wishes, "webhooks": tuple(wishes["webhooks"])}
        return replace(self, **wishes)
