"""How a submit is answered and its job begun, and what chaos makes of that, for every dialect alike."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response

from ops.emulator.engine import Engine
from ops.emulator.jobs import Job

GATEWAY_PAGE = "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n"


def at_once(engine: Engine, job: Job, answer: Response) -> Response:
    """The answer; the work begins when it is out, or, in early chaos, ends before."""
    launched = engine.chaos.strikes("early", job.ordinal) and job.state != "queued"
    if launched:
        engine.rush(job, at_once=True)
    if engine.chaos.strikes("submit_timeout", job.ordinal):
        return ambiguous(engine, job, answer)
    if not launched:
        answer.call_on_close(lambda: engine.launch(job))
    return answer


def ambiguous(engine: Engine, job: Job, answer: Response) -> Response:
    """The job is at work, but its submitter hears so late, or never."""
    engine.launch(job)
    if engine.chaos.share("hang or cut", job.ordinal) < 0.5:
        return cut_off()
    engine.pause(engine.options.hang)
    return answer


def cut_off() -> Response:
    """An answer that breaks off before its first byte of body: what became of the request is anyone's guess."""

    def broken() -> Iterator[bytes]:
        raise ConnectionAbortedError("cut off on purpose")
        yield b""

    return Response(broken(), headers={"Content-Length": "64"}, mimetype="application/json")
