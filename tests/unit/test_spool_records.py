"""What is read of a spool file, whatever has befallen it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from orchestrator.spool.records import MARK, Delivery, count, pack, unpack

MARKED = bytes(range(MARK))
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def delivery(body: bytes = b'{"a": 1}', **changes: object) -> Delivery:
    fields = {"id": uuid4(), "account": "acedata", "task_id": uuid4(), "content_type": "application/json"}
    return Delivery(**{**fields, "received_at": AT, "body": body, **changes})  # type: ignore[arg-type]


def read(data: bytes) -> list[Delivery | None]:
    return [found.delivery for found in unpack(data, MARKED)]


@pytest.mark.parametrize(
    "one",
    [
        delivery(),
        delivery(b"", task_id=None, content_type=None),
        delivery(bytes(range(256)) * 10, content_type="caf\udce9; ☃", tries=4),
        delivery(MARKED * 3),
    ],
)
def test_a_delivery_comes_back_as_it_went(one: Delivery) -> None:
    assert read(pack(one, MARKED)) == [one]


def test_a_record_torn_at_any_byte_costs_only_itself() -> None:
    first, last = delivery(), delivery(b"x" * 50)
    whole, torn = pack(first, MARKED), pack(last, MARKED)
    for length in range(len(torn)):
        assert read(whole + torn[:length]) == [first] + [None] * bool(length)
        assert count(whole + torn[:length], MARKED) == 1


def test_a_byte_changed_anywhere_costs_only_its_record() -> None:
    before, hit, after = delivery(), delivery(b"y" * 30), delivery()
    start, record, end = pack(before, MARKED), pack(hit, MARKED), pack(after, MARKED)
    for place in range(len(record)):
        changed = bytearray(record)
        changed[place] ^= 0x5A
        assert read(start + changed + end) == [before, None, after], place


def test_zeros_after_a_power_cut_are_one_damage() -> None:
    one = delivery()
    found = list(unpack(pack(one, MARKED) + bytes(4096), MARKED))
    assert [(entry.delivery, entry.end - entry.start) for entry in found][1] == (None, 4096)


def test_no_body_can_pass_for_a_record() -> None:
    forged = pack(delivery(task_id=UUID(int=7)), bytes(MARK))  # whoever sends it does not know the file's mark
    carrier = bytearray(pack(delivery(b"..." + forged), MARKED))
    carrier[MARK] ^= 1
    assert read(bytes(carrier)) == [None]


def test_a_record_of_another_version_is_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.dumps", lambda header: '{"id": 7}')
    strange = pack(delivery(), MARKED)
    monkeypatch.undo()
    good = delivery()
    assert read(strange + pack(good, MARKED)) == [None, good]
