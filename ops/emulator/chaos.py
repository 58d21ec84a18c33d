"""Seeded misfortune: whether a kind strikes job or request number n depends on (seed, kind, n) alone."""

from __future__ import annotations

from types import MappingProxyType

from ops.emulator.ids import share

KINDS = MappingProxyType(
    {
        "duplicate": "the same callback two or three times, at the same time",
        "reorder": "a callback after one that was due later",
        "drop": "a callback never sent",
        "early": "the callback before the answer to the submit",
        "delay": "a callback late by about chaos_delay",
        "contradict": "a failure some time after the success",
        "straggle": "a progress event once more after the end, where the dialect allows it",
        "forge": "one more callback that is not the service's: wrong token, garbage, or another task's id",
        "submit_5xx": "the submit refused with 500, 502 or 503; no job exists",
        "submit_timeout": "the job exists, but the submit is answered late or cut off without an answer",
        "rate_limit": "the submit refused with 429; no job exists",
    }
)
HOSTILE = "duplicate=0.2,reorder=0.2,drop=0.1,early=0.1,delay=0.1,contradict=0.05,straggle=0.1,forge=0.05,submit_5xx=0.05,submit_timeout=0.05,rate_limit=0.05"  # noqa: E501 - one value
PRESETS = MappingProxyType({"": "", "none": "", "hostile": HOSTILE})


def parse(text: str) -> dict[str, float]:
    """`duplicate=0.2,drop=0.1` or a preset's name -> probabilities; ValueError says what is wrong."""
    text = PRESETS.get(text.strip(), text)
    return dict(_pair(item.strip()) for item in text.split(",") if item.strip())


def _pair(item: str) -> tuple[str, float]:
    kind, _, value = item.partition("=")
    if kind not in KINDS:
        raise ValueError(
            f"unknown chaos {kind!r}; known: {', '.join(KINDS)}, or one of {', '.join(filter(None, PRESETS))}"
        )
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise ValueError(f"chaos {kind} needs a probability from 0 to 1, not {value!r}")
    return kind, rate


class Chaos:
    """Dice for every kind of misfortune."""

    def __init__(self, seed: int, rates: dict[str, float]) -> None:
        self._seed = seed
        self._rates = {kind: rate for kind, rate in rates.items() if rate}

    def strikes(self, kind: str, *number: object) -> bool:
        """Whether misfortune `kind` hits the job or request of this number."""
        rate = self._rates.get(kind)
        return rate is not None and self.share(kind, *number) < rate

    def share(self, *parts: object) -> float:
        """A fair number in [0, 1) for the details of a misfortune."""
        return share(self._seed, "chaos", *parts)
