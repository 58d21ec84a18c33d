"""What an emulator can be told: once at its start, and later through `POST /_emulator/config`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ops.emulator.imagineapi_options import ImagineOptions
from ops.emulator.mjproxy_options import MjOptions

CHANGEABLE = frozenset(
    {
        "latency",
        "instant",
        "chaos",
        "chaos_delay",
        "hang",
        "quota",
        "concurrency",
        "concurrency_code",
        "url_lifetime",
        "url_style",
        "token_states",
        "mj",
        "imagineapi",
        "webhooks",
    }
)
TOKEN_STATES = frozenset({"expired", "disabled", "mismatched", "used_up"})
URL_STYLES = frozenset({"signed", "cdn"})


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one emulator; the defaults are those of a patient imitation of the service.

    seed            decides every id, picture and stroke of chaos
    latency         seconds a typical `generate` takes (upscales take less)
    instant         no latency at all: a job is done, and its callback is sent, as soon as it is answered
    image_size      pixels of a square grid's raw side (a multiple of 8); other ratios scale with it
    url_lifetime    seconds a signed URL lives
    url_style       `signed` (Discord's way) or `cdn` (unsigned platform paths)
    tokens          (name, secret) pairs; none: any bearer token is good
    token_states    name -> `expired`, `disabled`, `mismatched` or `used_up`
    concurrency     jobs in flight per token, None: any number, 0: the usual (5; any with `instant`)
    quota           paid jobs left, None: no limit
    chaos           `kind=probability` pairs or `hostile`, see chaos.py
    chaos_delay     seconds by which chaos delays a callback, about
    hang            seconds an ambiguous submit is answered late
    keep_jobs       how many jobs, newest, are remembered
    senders         threads that post callbacks
    public_url      the address in asset URLs; None: the Host the client used
    mj              what only the midjourney-proxy dialect knows
    imagineapi      what only the ImagineAPI dialect knows
    """

    seed: int = 1
    latency: float = 20.0
    instant: bool = False
    image_size: int = 2048
    url_lifetime: int = 86400
    url_style: str = "signed"
    tokens: tuple[tuple[str, str], ...] = ()
    token_states: tuple[tuple[str, str], ...] = ()
    concurrency: int | None = 0
    concurrency_code: str = "too_many_requests"
    quota: int | None = None
    chaos: str = ""
    chaos_delay: float = 3.0
    hang: float = 30.0
    keep_jobs: int = 100_000
    senders: int = 8
    public_url: str | None = None
    mj: MjOptions = field(default_factory=MjOptions)
    imagineapi: ImagineOptions = field(default_factory=ImagineOptions)

    def __post_init__(self) -> None:
        if self.image_size < 64 or self.image_size % 8:
            raise ValueError(f"image_size must be a multiple of 8, at least 64, not {self.image_size}")
        if self.url_style not in URL_STYLES:
            raise ValueError(f"url_style must be one of {sorted(URL_STYLES)}, not {self.url_style!r}")
        wrong = {state for _, state in self.token_states} - TOKEN_STATES
        if wrong:
            raise ValueError(f"token states must be among {sorted(TOKEN_STATES)}, not {sorted(wrong)}")

    @property
    def in_flight_limit(self) -> int | None:
        """Jobs one token may have in flight; None means any number."""
        if self.concurrency == 0:
            return None if self.instant else 5
        return self.concurrency

    def changed(self, wishes: dict[str, Any]) -> Options:
        """A copy with some settings changed; ValueError names a key that can't be changed or a value that is wrong."""
        unknown = sorted(set(wishes) - CHANGEABLE)
        if unknown:
            raise ValueError(f"cannot change {', '.join(unknown)}; can change {', '.join(sorted(CHANGEABLE))}")
        if isinstance(wishes.get("token_states"), dict):
            wishes = {**wishes, "token_states": tuple(wishes["token_states"].items())}
        if isinstance(wishes.get("mj"), dict):
            wishes = {**wishes, "mj": self.mj.changed(wishes["mj"])}
        own = dict(wishes["imagineapi"]) if isinstance(wishes.get("imagineapi"), dict) else {}
        if "webhooks" in wishes:
            own["webhooks"] = wishes["webhooks"]
        if own:
            wishes = {**wishes, "imagineapi": self.imagineapi.changed(own)}
        return replace(self, **{key: wish for key, wish in wishes.items() if key != "webhooks"})
