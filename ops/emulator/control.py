"""The control API under /_emulator/: what the emulator was asked, what it sent, and how it is to behave."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flask import Blueprint, Response, jsonify, request

from ops.emulator.engine import Engine
from ops.emulator.jobs import Job


def control(engine: Engine) -> Blueprint:
    """Routes for tests, demos and benchmarks. No token is asked: never offer this port to strangers."""
    routes = Blueprint("control", __name__, url_prefix="/_emulator")
    routes.register_error_handler(ValueError, _bad_wish)
    routes.register_error_handler(TypeError, _bad_wish)
    _add_views(routes, engine)
    _add_switches(routes, engine)
    return routes


def _add_views(routes: Blueprint, engine: Engine) -> None:
    @routes.get("/jobs")
    def jobs() -> Response:
        after, limit = request.args.get("after", 0, int), request.args.get("limit", 10_000, int)
        chosen = [job.facts() for job in engine.book.oldest_first() if job.ordinal > after][:limit]
        return jsonify(items=chosen, count=len(chosen), accepted=engine.book.accepted)

    @routes.get("/requests")
    def requests() -> Response:
        return _newest(list(engine.journal.entries))

    @routes.get("/callbacks")
    def callbacks() -> Response:
        return _newest(list(engine.courier.record))

    @routes.get("/stats")
    def stats() -> Response:
        return jsonify(statistics(engine))


def _add_switches(routes: Blueprint, engine: Engine) -> None:
    @routes.post("/config")
    def config() -> Response:
        wishes = _wishes()
        faults = wishes.pop("fail_next", [])
        engine.configure(wishes)
        for fault in faults if isinstance(faults, list) else [faults]:
            engine.faults.order(fault)
        return jsonify(statistics(engine))

    @routes.post("/hold")
    def hold() -> Response:
        engine.courier.hold()
        return jsonify(holding=True)

    @routes.post("/release")
    def release() -> Response:
        wishes = _wishes()
        ids = wishes.get("task_ids")
        released = engine.courier.release(
            task_ids=None if ids is None else set(ids),
            count=wishes.get("count"),
            backwards=wishes.get("order") == "backwards",
        )
        return jsonify(released=released, holding=engine.courier.holding)

    @routes.post("/advance")
    def advance() -> Response:
        engine.scheduler.advance(float(_wishes()["seconds"]))
        return jsonify(now=engine.clock.now())

    @routes.post("/reset")
    def reset() -> Response:
        engine.reset()
        return jsonify(statistics(engine))


def statistics(engine: Engine) -> dict[str, Any]:
    """Counts of all that happened since the start or the last reset; `duplicates` lists what was paid for twice."""
    jobs = engine.book.oldest_first()
    return {
        "requests": dict(engine.journal.counts),
        "paid_jobs": engine.book.accepted,
        "jobs_kept": len(jobs),
        "states": dict(Counter(job.state for job in jobs)),
        "actions": dict(Counter(job.order.action for job in jobs)),
        "in_flight": sum(engine.book.in_flight.values()),
        "callbacks": dict(engine.courier.counts),
        "callbacks_waiting": engine.courier.waiting(),
        "timers_waiting": engine.scheduler.waiting(),
        "faults_waiting": engine.faults.waiting(),
        "holding": engine.courier.holding,
        "duplicates": _paid_twice(jobs),
        "seed": engine.options.seed,
        "chaos": engine.options.chaos,
    }


def _paid_twice(jobs: list[Job]) -> dict[str, dict[str, int]]:
    by_url = Counter(_url_and_state(job) for job in jobs if job.order.callback_url)
    by_step = Counter(
        f"{job.order.image_id} {job.order.button or job.order.action}" for job in jobs if job.order.image_id
    )
    by_state = Counter(job.order.client_state for job in jobs if job.order.client_state)
    return {
        "callback_url": {key: count for key, count in by_url.items() if count > 1},
        "image_and_action": {key: count for key, count in by_step.items() if count > 1},
        "client_state": {key: count for key, count in by_state.items() if count > 1},
    }


def _url_and_state(job: Job) -> str:
    """What tells one task of a client from another: where a dialect has a state, one URL may serve many."""
    return " ".join(filter(None, (job.order.callback_url, job.order.client_state)))


def _newest(entries: list[dict[str, Any]]) -> Response:
    after, limit = request.args.get("after", 0, int), request.args.get("limit", 10_000, int)
    chosen = [entry for entry in entries if entry["n"] > after][:limit]
    return jsonify(items=chosen, count=len(chosen))


def _wishes() -> dict[str, Any]:
    wishes = request.get_json(silent=True, force=True) if request.get_data() else {}
    if not isinstance(wishes, dict):
        raise ValueError("the body must be a JSON object")
    return wishes


def _bad_wish(error: Exception) -> tuple[Response, int]:
    return jsonify(error=str(error)), 400
