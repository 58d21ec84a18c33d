"""AceData's POST /midjourney/videos: four films that begin with a picture, or go on where a film ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response

from ops.emulator import edits
from ops.emulator.acedata_bodies import AceData
from ops.emulator.acedata_orders import Asked, callback_of, check_prompt, mode_of, only_action, seconds_of, text_field
from ops.emulator.acedata_sources import required_source, source
from ops.emulator.engine import Engine
from ops.emulator.films import Film, film_file, film_size
from ops.emulator.jobs import Job, Order
from ops.emulator.journal import shortened
from ops.emulator.pictures import Picture
from ops.emulator.prompts import read_prompt
from ops.emulator.refusals import Refusal

_MODES = ("fast", "turbo")
_RESOLUTIONS = ("480p", "720p")
_SHARE = 2.0  # how long a film takes beside a picture


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmOrder(Order):
    """An order of four films; its `picture` is the one they begin with."""

    film: Film


class Filmed(AceData):
    """Results of videos."""

    kind = "videos"

    def result(self, job: Job) -> dict[str, Any]:
        pictures = super().result(job)
        facts = {name: pictures[name] for name in ("image_url", "image_width", "image_height", "progress")}
        if job.state == "finished":
            facts |= {"video_id": job.job_id, "video_urls": [_url(job, place) for place in range(4)]}
        return facts

    def task(self, job: Job) -> dict[str, Any]:
        facts = super().task(job)
        facts.pop("image_id", None)
        return facts


def read_video(body: dict[str, Any], asked: Asked, engine: Engine, dialect: Filmed) -> Order:
    """The order, or a Refusal that says what is wrong."""
    action, mode = only_action(body, ("generate", "extend")), mode_of(body, _MODES)
    text = text_field(body, "prompt")
    prompt = read_prompt(text)
    check_prompt(prompt, needed=False)
    failure = prompt.failure()
    film = _extended(body, engine) if action == "extend" else _begun(body, engine)
    return FilmOrder(
        dialect=dialect,
        action=f"video_{action}",
        prompt=text,
        picture=film.first,
        token=asked.token,
        base_url=asked.base_url,
        request=shortened(body),
        trace_id=asked.trace_id,
        image_id=f"{body['video_id']} {_place(body)}" if action == "extend" else None,
        callback_url=callback_of(body),
        seconds=seconds_of(_SHARE, mode, asked, failure, engine),
        error=failure,
        film=film,
    )


def add_video_files(routes: Blueprint, engine: Engine) -> None:
    """Put the films' own addresses on a blueprint: they need no token and don't expire."""

    @routes.get("/videos/<task_id>/<int:place>.mp4")
    def video_file(task_id: str, place: int) -> Response:
        job = engine.book.by_task(task_id)
        if job is None or job.state != "finished" or not isinstance(job.order, FilmOrder) or place > 3:
            return Response("Not Found", status=404, mimetype="text/plain")
        return Response(film_file(job.order.film, place), mimetype="video/mp4")


def _begun(body: dict[str, Any], engine: Engine) -> Film:
    first = _single(required_source(body, "image_url", engine))
    last = source(body, "end_image_url", engine)
    size = film_size(first, _resolution(body), engine.options.image_size)
    return Film(first, size, _single(last) if last else None, body.get("loop") is True)


def _extended(body: dict[str, Any], engine: Engine) -> Film:
    """The film goes on from its last frame, in its own size."""
    name, place = text_field(body, "video_id"), _place(body)
    if not name:
        raise Refusal("bad_request", "video_id is required for action extend")
    jobs = (job for job in engine.book.newest_first() if isinstance(job.order, FilmOrder) and job.job_id == name)
    parent = next(jobs, None)
    if parent is None or parent.state != "finished" or not isinstance(parent.order, FilmOrder):
        raise Refusal("bad_request", f"video_id {name} does not exist")
    _resolution(body)
    before, last = parent.order.film, source(body, "end_image_url", engine)
    return Film(before.first, before.size, _single(last) if last else None, body.get("loop") is True, (before, place))


def _single(picture: Picture) -> Picture:
    """One picture that stays the same whatever number its job gets; of a grid the first."""
    return edits.upscaled(picture, 0) if picture.grid else edits.enlarged(picture, 1)


def _resolution(body: dict[str, Any]) -> str:
    resolution = text_field(body, "resolution") or "720p"
    if resolution not in _RESOLUTIONS:
        raise Refusal("bad_request", f"resolution must be one of {', '.join(_RESOLUTIONS)}")
    return resolution


def _place(body: dict[str, Any]) -> int:
    place = body.get("video_index")
    if place is None:
        return 0
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place <= 3:
        raise Refusal("bad_request", "video_index must be a number from 0 to 3")
    return place


def _url(job: Job, place: int) -> str:
    return f"{job.order.base_url}/midjourney/videos/{job.task_id}/{place}.mp4"
