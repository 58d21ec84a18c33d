"""Asset URLs: signed and mortal like Discord's, or plain paths of a platform's CDN."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256

from ops.emulator.ids import digest, number
from ops.emulator.jobs import Job

_SLUG = re.compile(r"[^A-Za-z0-9]+")


class Links:
    """Writes and checks the URLs of one emulator."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._key = digest(seed, "signing key")

    def result(self, job: Job, *, style: str, now: float, lifetime: int) -> tuple[str, str]:
        """(raw URL, URL of a thumbnail half its size) of a finished job."""
        if style == "cdn":
            raw = f"{job.order.base_url}/midjourney/{job.task_id}.png"
            return raw, f"{raw}?imageMogr2/thumbnail/!50p"
        raw = self._signed(job, job.image_id_at(0), self._name(job), now, lifetime)
        return raw, f"{raw}width={job.picture.width // 2}&height={job.picture.height // 2}"

    def frame(self, job: Job, *, now: float, lifetime: int, frame: int | None = None) -> tuple[str, str]:
        """(raw URL, thumbnail URL) of the progress frame now shown, or of another: a quarter of the result's size."""
        raw = self._signed(
            job, job.image_id_at(job.frame if frame is None else frame), f"{job.job_id}_grid_0.webp", now, lifetime
        )
        return raw, f"{raw}width={job.picture.width // 8}&height={job.picture.height // 8}"

    def parts(self, job: Job, *, style: str, now: float, lifetime: int) -> list[str]:
        """URLs of the four quadrants of a finished grid."""
        if style == "cdn":
            return [f"{job.order.base_url}/midjourney/{job.task_id}_{n}.png" for n in range(4)]
        return [self._signed(job, job.image_id_at(0), f"0_{n}.png", now, lifetime) for n in range(4)]

    def verdict(self, path: str, query: Mapping[str, str], now: float) -> str | None:
        """Why the request for a signed path is not answered, None when it is good."""
        expires, issued, signature = query.get("ex", ""), query.get("is", ""), query.get("hm", "")
        if not hmac.compare_digest(signature.encode(), self._signature(path, expires, issued).encode()):
            return "This content is no longer available."
        return "This content is no longer available." if int(expires, 16) <= now else None

    def _signed(self, job: Job, image_id: str, name: str, now: float, lifetime: int) -> str:
        channel = 1_200_000_000_000_000_000 + number(self._seed, "channel", job.order.token) % 10**17
        path = f"/attachments/{channel}/{image_id}/{name}"
        issued, expires = f"{int(now):x}", f"{int(now) + lifetime:x}"
        return f"{job.order.base_url}{path}?ex={expires}&is={issued}&hm={self._signature(path, expires, issued)}&"

    def _signature(self, path: str, expires: str, issued: str) -> str:
        return hmac.new(self._key, f"{path}|{expires}|{issued}".encode(), sha256).hexdigest()

    def _name(self, job: Job) -> str:
        words = _SLUG.sub("_", job.order.prompt).strip("_")[:50].strip("_") or "picture"
        return f"emulator_{words}_id{number(self._seed, 'file', job.ordinal) % 10**7}_{job.job_id}.png"
