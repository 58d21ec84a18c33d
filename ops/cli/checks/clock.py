"""Two clocks."""

from __future__ import annotations

from ops.cli.checks.finding import Finding, Level

SKEW = (2.0, 30.0)  # seconds: worth a warning, and too much for signed times


def judge(subject: str, whose: str, seconds: float, slack: float = 0.0) -> Finding:
    """seconds: that ours is ahead. slack: of that, what is no skew."""
    size = max(0.0, abs(seconds) - slack)
    level: Level = "ok" if size < SKEW[0] else "warn" if size < SKEW[1] else "fail"
    if level == "ok":
        return Finding(subject, "ok", f"{size:.1f} s off {whose}")
    way = "ahead of" if seconds > 0 else "behind"
    return Finding(subject, level, f"{size:.0f} s {way} {whose}", "synchronise both clocks (NTP)")
