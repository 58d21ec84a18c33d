"""Which action a button is, for every model version."""

from __future__ import annotations

import pytest

from orchestrator.providers.mjproxy.buttons import listed, of_parent, offered, word_of

JOB = "3b1f7a52-9c0e-4d6b-8a3f-5e2d1c7b9a40"


@pytest.mark.parametrize(
    ("custom_id", "word"),
    [
        (f"MJ::JOB::upsample::1::{JOB}", "upscale1"),
        (f"MJ::JOB::upsample::4::{JOB}", "upscale4"),
        (f"MJ::JOB::variation::2::{JOB}", "variation2"),
        (f"MJ::JOB::variation::2::{JOB}::SOLO", "variation2"),
        (f"MJ::JOB::reroll::0::{JOB}::SOLO", "reroll"),
        (f"MJ::JOB::upsample_v5_2x::1::{JOB}::SOLO", "upscale_2x"),
        (f"MJ::JOB::upsample_v5_4x::1::{JOB}::SOLO", "upscale_4x"),
        (f"MJ::JOB::upsample_v6_2x_subtle::1::{JOB}::SOLO", "upscale_subtle"),
        (f"MJ::JOB::upsample_v6_2x_creative::1::{JOB}::SOLO", "upscale_creative"),
        (f"MJ::JOB::upsample_v6r1_2x_subtle::1::{JOB}::SOLO", "upscale_subtle"),
        (f"MJ::JOB::upsample_v7_2x_creative::1::{JOB}::SOLO", "upscale_creative"),
        (f"MJ::JOB::low_variation::1::{JOB}::SOLO", "variation_subtle"),
        (f"MJ::JOB::high_variation::1::{JOB}::SOLO", "variation_strong"),
        (f"MJ::Inpaint::1::{JOB}::SOLO", "variation_region"),
        (f"MJ::Outpaint::50::1::{JOB}::SOLO", "zoom_out_2x"),
        (f"MJ::Outpaint::75::1::{JOB}::SOLO", "zoom_out_1_5x"),
        (f"MJ::CustomZoom::1::{JOB}", "zoom_custom"),
        (f"MJ::CustomZoom::{JOB}", "zoom_custom"),
        (f"MJ::JOB::pan_left::1::{JOB}::SOLO", "pan_left"),
        (f"MJ::JOB::pan_down::1::{JOB}::SOLO", "pan_down"),
        (f"MJ::JOB::upsample::5::{JOB}", None),
        (f"MJ::JOB::upsample::12::{JOB}", None),
        (f"MJ::Outpaint::100::1::{JOB}::SOLO", None),
        (f"MJ::JOB::animate_high::1::{JOB}::SOLO", None),
        (f"MJ::BOOKMARK::{JOB}", None),
        ("MJ::Job::PicReader::1", None),
        (f"MJ::CancelJob::ByJobid::{JOB}", None),
        ("", None),
    ],
)
def test_a_customid_is_an_action(custom_id: str, word: str | None) -> None:
    assert word_of(custom_id) == word


def test_of_two_buttons_for_one_action_the_first_is_pressed() -> None:
    buttons = listed([{"customId": "MJ::CustomZoom::a"}, {"label": "x"}, {"customId": "MJ::CustomZoom::b"}])
    assert offered(buttons) == {"zoom_custom": "MJ::CustomZoom::a"}


def test_a_result_with_buttons_but_no_actions_is_not_one_without_buttons() -> None:
    assert of_parent({"buttons": [{"customId": "MJ::BOOKMARK::x"}]}) == {}
    assert of_parent({"buttons": []}) is None
    assert of_parent({}) is None
