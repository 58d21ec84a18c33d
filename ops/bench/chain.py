"""What the rate of runs is compared with: the same three calls as a chain written by hand with Celery.

Flask takes the callback and sends a message, a Celery job notes the step in Postgres and makes the next call. Nothing
is checked, merged, kept as evidence or found again: a lost message or a killed worker ends a chain, a repeated callback
pays twice. It is the least that Flask, Celery, requests and psycopg can do, on the same servers.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

import psycopg
import requests
from celery import Celery
from flask import Flask, request
from psycopg_pool import ConnectionPool

from ops.bench.children import BenchError, child, wait_for
from ops.bench.stack import Stack

IN_FLIGHT = 64
STEPS = ("imagine", "upscale", "upscale_4x")
PATIENCE = 60.0  # seconds without the end of any chain
WEB, WORKER = "ops.bench.chain:web", "ops.bench.chain:jobs"
_TABLE = "CREATE TABLE IF NOT EXISTS steps (chain uuid, step integer, image_id text, PRIMARY KEY (chain, step))"
_ENDED = "SELECT count(*) FROM steps WHERE step = %s"

jobs = Celery("chain", broker=os.environ.get("BROKER_URL", "memory://"))
jobs.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=1, task_default_queue="chain")


@cache
def _pool() -> ConnectionPool:
    return ConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=16, kwargs={"autocommit": True}, open=True)


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=16))
    return session


@jobs.task(name="step")
def step(chain: str, number: int, image_id: str | None) -> None:
    """Note that a chain has come so far, and call the provider for what follows."""
    with _pool().connection() as connection:
        connection.execute("INSERT INTO steps VALUES (%s, %s, %s)", (chain, number, image_id))
    if number < len(STEPS):
        order = {"action": STEPS[number], "callback_url": f"{os.environ['CHAIN_URL']}/{chain}/{number + 1}"}
        order |= {"image_id": image_id} if image_id else {}
        _session().post(os.environ["CHAIN_PROVIDER"], json=order, timeout=10).raise_for_status()


def web() -> Flask:
    """Takes the callbacks."""
    app = Flask(__name__)

    @app.post("/<chain>/<int:number>")
    def callback(chain: str, number: int) -> dict[str, str]:
        step.delay(chain, number, request.get_json()["image_id"])
        return {"verdict": "accepted"}

    return app


def measure(stack: Stack, provider: int, *, count: int) -> float:
    """Chains carried to their end a second, IN_FLIGHT at a time."""
    with stack.database("bench_chain") as url, _running(stack, provider, url), psycopg.connect(url) as connection:
        connection.autocommit = True
        _hurry(connection, count // 4)
        return _hurry(connection, count)


def _hurry(connection: psycopg.Connection[Any], count: int) -> float:
    before, begun = _ended(connection), 0
    begin = last = time.perf_counter()
    ended = 0
    while ended < count:
        for _ in range(min(count, ended + IN_FLIGHT) - begun):
            step.delay(str(uuid4()), 0, None)
            begun += 1
        time.sleep(0.005)
        now, former = time.perf_counter(), ended
        ended = _ended(connection) - before
        last = now if ended > former else last
        if now - last > PATIENCE:
            raise BenchError(f"of {begun} chains only {ended} have ended")
    return count / (time.perf_counter() - begin)


def _ended(connection: psycopg.Connection[Any]) -> int:
    found = connection.execute(_ENDED, (len(STEPS),)).fetchone()
    return int(found[0]) if found else 0


@contextmanager
def _running(stack: Stack, provider: int, url: str) -> Iterator[None]:
    """The chain's web server and its worker."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TABLE)
    log = stack.home / "chain.log"
    with stack.second_web(WEB, url, log) as (port, _):
        env = {**stack.env, "DATABASE_URL": url, "CHAIN_URL": f"http://127.0.0.1:{port}"}
        env["CHAIN_PROVIDER"] = f"http://127.0.0.1:{provider}/midjourney/imagine"
        env["BROKER_URL"] = stack.lonely_broker
        jobs.conf.update(broker_url=env["BROKER_URL"])
        argv = [sys.executable, "-m", "celery", "--quiet", "-A", WORKER, "worker", "--pool", "threads"]
        argv += ["--concurrency", "16", "-Q", "chain", "--without-gossip", "--without-mingle"]
        with child(argv, env=env, log=log) as worker:
            wait_for("the chain's worker", lambda: bool(jobs.control.ping(timeout=0.5)), worker, log)
            yield
