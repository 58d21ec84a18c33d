"""One of the four single images that a grid's row brings along: an upscale that is done before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.config import Account
from orchestrator.core.events import Accepted, Event, EventKind, Refused, SubmitOutcome, TaskError
from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Order
from orchestrator.providers.imagineapi.ordering import inputs_of
from orchestrator.providers.inputs import quadrant_of


def submit(account: Account, order: Order) -> SubmitOutcome:
    """The image, without a call."""
    try:
        name, event = single(account, order)
    except InvalidInput as error:
        return Refused(TaskError(error.code, error.message))
    return Accepted(name, (event,))


def single(account: Account, order: Order) -> tuple[str, Event]:
    """The id and the end of an upscale. Raises InvalidInput when the grid has no such image."""
    quadrant = quadrant_of(order, inputs_of(account, order))
    if order.parent is None:
        raise InvalidInput("upscale works on the image of an earlier task, and there is none")
    row = order.parent.result.get("image_id") or order.parent.external_id
    # Two tasks may want the same image, and no two have the same job.
    name = f"{row}/{quadrant}/{order.task_id}"
    event = event_of(name, order.parent.result)
    if event is None:
        offered = ", ".join(order.parent.result.get("actions") or []) or "nothing"
        raise InvalidInput(
            f"upscale: the image of {order.parent.action} does not offer 'upscale{quadrant}'; it offers {offered}"
        )
    return name, event


def event_of(name: str, grid: Mapping[str, Any]) -> Event | None:
    """The end of the upscale of that name, given the result of its grid; None when there is no such image."""
    quadrant = quadrant_in(name)
    urls = grid.get("sub_image_urls") or []
    url = urls[quadrant - 1] if 0 < quadrant <= len(urls) else None
    if not url:
        return None
    image = {"image_id": name.rpartition("/")[0], "image_url": url, "raw_image_url": url, "actions": []}
    return Event(EventKind.SUCCEEDED, name, 100, image)


def row_in(name: str) -> str:
    """The row that a job of ours belongs to; of a grid its own."""
    return name.partition("/")[0]


def quadrant_in(name: str) -> int:
    """1 to 4 for an upscale, 0 for a grid."""
    _, _, rest = name.partition("/")
    number = rest.partition("/")[0]
    return int(number) if number in {"1", "2", "3", "4"} else 0
