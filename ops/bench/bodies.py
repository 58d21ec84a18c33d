"""What the provider delivers in the bench: AceData's result object at its usual size of about one kilobyte."""

from __future__ import annotations

import json

_FILE = (
    "https://midjourney.cdn.acedata.cloud/attachments/1234291876639674388/{image_id}/kcisok_A_cat_sitting_on_a_table"
)
_SIGNED = "_id2724480_591c5c85-ec80-42ab-9fe5-9adfbed192e4.png?ex=7fffffff&is=662fd33e&hm={mac}"
_MAC = "da725eb74aae375d60beec38b4cd26c5a7b373b1662f222ff838a8ea6fd5e798"
_OF_GRID = [*(f"upscale{n}" for n in range(1, 5)), "reroll", *(f"variation{n}" for n in range(1, 5))]
_OF_SINGLE = ["upscale_2x", "upscale_4x", "variation_subtle", "variation_strong", "zoom_out_2x", "zoom_out_1_5x"]


def result(task_id: str, image_id: str, action: str) -> bytes:
    """The body of a terminal callback."""
    url = _FILE.format(image_id=image_id) + _SIGNED.format(mac=_MAC)
    document = {
        "success": True,
        "task_id": task_id,
        "image_url": f"{url}&width=1024&height=1024",
        "image_width": 1024,
        "image_height": 1024,
        "image_id": image_id,
        "raw_image_url": f"{url}&",
        "raw_image_width": 2048,
        "raw_image_height": 2048,
        "progress": 100,
        "actions": _OF_GRID if action == "generate" else _OF_SINGLE,
    }
    return json.dumps(document).encode()
