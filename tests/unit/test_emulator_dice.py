"""Ids and chaos are drawn from the seed alone."""

from __future__ import annotations

import uuid

import pytest

from ops.emulator.chaos import HOSTILE, KINDS, Chaos, parse
from ops.emulator.ids import place_of, share, snowflake, uuid_of


def test_snowflakes_are_exact_reversible_and_spoilt_by_doubles() -> None:
    for ordinal, frame in ((1, 0), (1, 15), (77, 3), (10_000_000, 1)):
        image_id = snowflake(7, ordinal, frame)
        assert len(image_id) == 19
        assert place_of(7, image_id) == (ordinal, frame)
        assert int(float(image_id)) != int(image_id)


@pytest.mark.parametrize("text", ["", "abc", "12", "1234197197067915365", "-200000000000000001", "١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦٧٨٩"])
def test_other_ids_have_no_place(text: str) -> None:
    assert place_of(7, text) is None
    assert place_of(8, snowflake(7, 3)) is None


def test_uuids_are_valid_and_depend_on_every_part() -> None:
    names = {uuid_of(seed, kind, n) for seed in (1, 2) for kind in "ab" for n in (1, 2)}
    assert len(names) == 8
    assert {uuid.UUID(name).version for name in names} == {4}


def test_shares_are_fair_enough() -> None:
    shares = [share("fair", n) for n in range(4000)]
    assert 0.47 < sum(shares) / len(shares) < 0.53
    assert 0 <= min(shares) < 0.01
    assert 0.99 < max(shares) < 1


def test_chaos_is_parsed_and_presets_are_known() -> None:
    assert parse("duplicate=0.5, drop=1,") == {"duplicate": 0.5, "drop": 1.0}
    assert set(parse("hostile")) == set(parse(HOSTILE)) == set(KINDS)
    assert parse("") == parse("none") == {}


@pytest.mark.parametrize("text", ["mischief=1", "drop", "drop=2", "drop=-1", "drop=often", "drop=nan"])
def test_wrong_chaos_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("=")[0]):
        parse(text)


def test_chaos_strikes_about_as_often_as_asked_and_replays() -> None:
    hits = [n for n in range(2000) if Chaos(3, {"drop": 0.2}).strikes("drop", n)]
    assert 320 < len(hits) < 480
    assert hits == [n for n in range(2000) if Chaos(3, {"drop": 0.2, "early": 1.0}).strikes("drop", n)]
    assert hits != [n for n in range(2000) if Chaos(4, {"drop": 0.2}).strikes("drop", n)]
