"""Values that have broken parsers: numbers, texts and nestings, as they stand in JSON or as they should never stand."""

from __future__ import annotations

import json

_NUMBERS = (
    *(
        "0",
        "-0",
        "-1",
        "1",
        "35",
        "100",
        "101",
        "1.5",
        "-0.0",
        "0.1e1",
        "1E+2",
        "100.0000000001",
        "99.9999999999999999",
    ),
    *("2147483647", "2147483648", "9007199254740993", "9223372036854775807", "9223372036854775808"),
    *(
        "18446744073709551616",
        "9" * 39,
        "9" * 40,
        "9" * 41,
        "-" + "9" * 41,
        "9" * 308,
        "9" * 309,
        "9" * 4300,
        "9" * 4301,
    ),
    *("1e308", "1e309", "-1e400", "1e-400", "1" + "0" * 200 + ".5", "0." + "0" * 500 + "1", "1e" + "9" * 500),
    *("NaN", "Infinity", "-Infinity", "nan", "inf", "0x10", "0b1", "01", "-01", "+1", "1.", ".5", "1e", "1e+", "--1"),
    *("-", "1_000", "1,000", "١٢٣", "１００", "1 2", "253402300799", "253402300800", "-62135596801", "1e18"),
    *("99999999999999999", "-99999999999999999"),
)
_WORDS = ("null", "true", "false", "None", "True", "undefined", "NULL", "tru", "nul", "'a'", "a", "/* c */ 1", "//", "")
_NESTINGS = (
    *("[]", "{}", "[[]]", "[null]", "[{}]", '{"":""}', '{"\\u0000":1}', '{"\\ud800":"\\udc00"}', '{"a":1,"a":2}'),
    *("[" * depth + "]" * depth for depth in (30, 62, 63, 64, 65, 500, 900, 1100, 5000)),
    *('{"a":' * depth + "1" + "}" * depth for depth in (30, 62, 63, 64, 65, 500, 1100, 3000)),
    *('[{"a":' * depth + "1" + "}]" * depth for depth in (31, 32, 33, 600)),
    *("[" * 5000, "{" * 50, '{"a":' * 2000, "]" * 10, "[1,]", "[,1]", '{"a"}', '{"a":}', "{,}", "{1:2}", "[1 2]"),
    *("[" + "1," * 3000 + "1]", "[" + '"a",' * 500 + "null]", "{" + ",".join(f'"k{n}":{n}' for n in range(1500)) + "}"),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\u00"', '"\\x41"', '"\\', '"a', '"\t"', '"\n"', '"\\/"'),
)
# Written as they are: what of them is no JSON shall be none.
TOKENS: tuple[str, ...] = (*_NUMBERS, *_WORDS, *_NESTINGS)


def _is_json(token: str) -> bool:
    try:
        json.loads(token, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


JSON_TOKENS: tuple[int, ...] = tuple(number for number, token in enumerate(TOKENS) if _is_json(token))

_SIGNED = (
    "ex=ffffffff", "ex=ffffffffffff", "ex=-1", "ex=", "ex=0x7f", "Expires=99999999999999999999", "Expires=-1",
    "X-Amz-Date=00000101T000000Z&X-Amz-Expires=1", "X-Amz-Date=99991231T235959Z&X-Amz-Expires=999999999999",
    "X-Goog-Date=20240230T000000Z&X-Goog-Expires=1", "se=9999-12-31T23:59:59-23:59", "se=0001-01-01T00:00:00%2B14:00",
    "se=2024-W01-1", "se=١٢٣", "ex=٣", "Expires=1e9", "Expires=" + "9" * 5000, "ex=%00", "ex=65d0f0&ex=1", "&" * 3000,
)  # fmt: skip
TEXTS: tuple[str, ...] = (
    *("", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "a\udc80", "\ufeff", "\ufffe", "\uffff", "\u202egpj.exe"),
    *(
        "\u2028",
        "\x85",
        "\x7f",
        "\x1b[2J\x1b]0;x\x07",
        "\r\nSet-Cookie: a=b",
        "a\nb",
        "\t",
        "".join(map(chr, range(29))),
    ),
    *("😀" * 70, "e\u0301" * 300, "İ", "ß" * 201, "x" * 200, "x" * 201, "x" * 255, "x" * 256, "x" * 9000, "𝟙𝟘𝟘%"),
    *("100%", "46.5 %", "-1%", "101%", "1e2%", "٣٤%", "(93%) fast", "%" * 200, "9" * 5000 + "%", "100 %%", "½%"),
    *("SUCCESS", "success", "Success ", "FAILURE", "CANCEL", "MODAL", "IN_PROGRESS", "completed", "failed", "pending"),
    *("in-progress", "NOT_START", "true", "null", "0", "1", "01", "-1", "1.0", "1e3", "NaN", "Infinity", "0x1F"),
    *(
        "../../../../etc/passwd",
        "..\\..\\x",
        "/dev/zero",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:,x",
        "//h/x",
    ),
    *("http://[::1", "http://[", "http://a:99999999/", "http://a:b@c:0x/", "http://169.254.169.254/", "http://0x7f.1/"),
    *(
        "https://h/\x00",
        "https://h/ a",
        "https://\ud800/",
        "https://" + "a." * 200 + "b/",
        "HTTPS://H",
        "https://h#" * 40,
    ),
    *(f"https://cdn.discordapp.com/a.png?{signed}" for signed in _SIGNED),
    *("'; DROP TABLE tasks; --", "${inputs.prompt}", "${steps.grid.result}", "{{7*7}}", "%s%n", "$(id)", "`id`", "\\"),
    *("<script>alert(1)</script>", "]]>", "&amp;", "[red]x[/red]", "[/]", "[link=http://x]y", "\\u0000", "\\ud800"),
    *("2024-13-45T99:99:99Z", "0000-00-00", "+275760-09-13", "9999-12-31T23:59:59.9999999Z", "2024-02-30", "-1-1-1"),
    *("MJ::JOB::upsample::1::x", "MJ::JOB::upsample::9::x::SOLO", "MJ::", "MJ::JOB::" * 300, "upscale1", "upscale99"),
    *("Bearer abcdefghijklmnop", "https://svc.example/callbacks/acedata/secret-token", "postgres://u:p@h/d"),
)
CONTENT_TYPES: tuple[str | None, ...] = (
    *(
        None,
        "",
        "application/json",
        "application/json; charset=utf-16",
        "application/x-ndjson",
        "text/plain",
        "text/html",
    ),
    *("application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=", "image/png", "*/*"),
    *(
        'application/json; charset="',
        "a" * 3000,
        "application/json;" + "a=b;" * 500,
        "é",
        "ÿþ",
        "json",
        ";",
        "/",
        "%00",
    ),
)
ENCODINGS: tuple[str, ...] = (
    *("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig", "utf-7", "latin-1", "cp1252", "cp437"),
    *("gbk", "gb18030", "big5", "shift_jis", "euc_kr", "iso2022_jp", "cp500", "punycode", "ascii"),
)
SCRAPS: tuple[bytes, ...] = (
    *(
        b"\x00",
        b"\x00" * 64,
        b"\xff",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xa0\x80\xed\xb0\x80",
    ),
    *(
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe\xff",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xef\xbb",
        b"\x80",
        b"\x1a",
    ),
    *(
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\x0b",
        b"\x0c",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\x1e",
        b"data: ",
        b"event: x\n",
        b")]}',\n",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b",",
        b":",
        b"{}",
        b"[]",
        b"null",
        b"NaN",
        b"0\r\n\r\n",
        b"--",
        b"HTTP/1.1 200 OK\r\n",
    ),
    *(
        b"\x1f\x8b\x08\x00",
        b"PK\x03\x04",
        b"\x89PNG\r\n",
        b"<?xml version='1.0'?>",
        b"<!DOCTYPE html>",
        b"payload=",
        b"%7B%22",
    ),
)
