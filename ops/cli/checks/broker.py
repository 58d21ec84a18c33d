"""The broker: is it there, does it keep what it is given, does anybody take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kombu.exceptions import KombuError

from ops.cli.checks.finding import Finding
from orchestrator.broker.application import make_app
from orchestrator.broker.sender import Broker
from orchestrator.config import Config
from orchestrator.errors import BrokerUnavailable

MANY = 10_000  # messages that wait in a queue
NEARLY = 0.9  # of its memory
EVICTS_NOTHING = "noeviction"


def check(config: Config) -> Iterator[Finding]:
    if not config.broker_url:
        advice = "set BROKER_URL, or start the embedded one with `orchestrator up`"
        yield Finding("broker", "fail", "BROKER_URL is not set, and no embedded one runs in the home", advice)
        return
    broker = None
    try:
        broker = Broker(make_app(config.broker_url))
        broker.ping(5)
    except BrokerUnavailable as error:
        detail = _one_line(error.__cause__ or error)
        yield Finding("broker", "fail", detail, "is it running, and are user and password right?")
    except (KeyError, ValueError, ImportError):  # kombu's ways to say that it has no such transport
        yield Finding("broker", "fail", "BROKER_URL is not one that Celery can use", "use amqp://... or redis://...")
    else:
        yield from _look(broker)
    finally:
        if broker:
            broker.close()


def _look(broker: Broker) -> Iterator[Finding]:
    app: Any = broker.app
    with app.connection_for_write(connect_timeout=5) as connection:
        channel = connection.default_channel
        if connection.transport.driver_type == "redis":
            yield from _memory(channel.client)
        else:
            yield Finding("broker", "ok", "it answers")
        waiting: dict[str, int] = {}
        for name, queue in {one.name: one for one in app.amqp.queues.values()}.items():  # some have an alias too
            try:
                waiting[name] = queue(channel).queue_declare(passive=True).message_count
                queue(channel).queue_declare()  # refused where it was made with other settings
            except (*connection.channel_errors, KombuError) as error:
                channel = connection.channel()  # the former one is closed by it
                if str(getattr(error, "reply_code", _NONE)) != _NONE:
                    yield Finding("queues", "fail", f"{name}: {_one_line(error)}", _REMAKE.format(name=name))
    yield _depths(waiting)


_NONE = "404"  # nobody has made the queue yet
_REMAKE = "delete the queue {name} at the broker, and restart the workers: what is lost in it is found by the sweep"


def _depths(waiting: dict[str, int]) -> Finding:
    told = ", ".join(f"{name} {count}" for name, count in waiting.items() if count) or "none"
    if any(count > MANY for count in waiting.values()):
        advice = "are there enough workers, and do they take jobs from these queues (-Q)?"
        return Finding("queues", "warn", f"messages wait: {told}", advice)
    return Finding("queues", "ok", f"messages that wait: {told}")


def _memory(client: Any) -> Iterator[Finding]:
    """Redis and Valkey: what is full must refuse, and not forget something."""
    facts = client.info("memory")
    policy, most, used = facts.get("maxmemory_policy", EVICTS_NOTHING), facts.get("maxmemory", 0), facts["used_memory"]
    if policy != EVICTS_NOTHING and most:
        advice = "CONFIG SET maxmemory-policy noeviction"
        yield Finding("broker", "fail", f"when its memory is full it drops queues (maxmemory-policy {policy})", advice)
    elif most and used > NEARLY * most:
        detail = f"its memory is nearly full: {used / 2**20:.0f} of {most / 2**20:.0f} MiB"
        yield Finding("broker", "warn", detail, "raise its maxmemory, or start more workers")
    else:
        yield Finding("broker", "ok", "it answers")


def _one_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
