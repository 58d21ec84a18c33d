"""The downloader against real servers on loopback. Names are resolved by a table: no name server is asked."""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.download import Downloader, Resolver, redact_url
from orchestrator.errors import DownloadFailed, DownloadRefused

Answer = Callable[["Handler"], None]
SECRET = "hm=5ec2e7"
LIMIT = 1 << 20


class Handler(BaseHTTPRequestHandler):
    server: Site
    body = b""

    def do_GET(self) -> None:
        self.server.seen.append(self)
        self.server.reached.append(self.connection.getsockname()[0])
        self.server.answers[self.path.partition("?")[0]](self)

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))  # unread, it would cut the answer off
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Site(ThreadingHTTPServer):
    """Answers by path; remembers who asked; reachable on every loopback address."""

    def __init__(self) -> None:
        super().__init__(("", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.seen: list[Handler] = []
        self.reached: list[str] = []
        self.closing = threading.Event()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def url(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}?ex=1&{SECRET}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader who hangs up is what several tests are about."""


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield served
    served.closing.set()
    served.shutdown()
    served.server_close()
    thread.join()


def make(allow: tuple[str, ...] = ("127.0.0.1",), *, total: float = 10, **names: list[str]) -> Downloader:
    """``names``: what images_test and the like resolve to; anything else resolves to itself."""
    table = {name.replace("_", "."): addresses for name, addresses in names.items()}
    return Downloader(allow, LIMIT, 2, total, resolver=lambda host, _: table.get(host, [host]))


def reply(body: bytes = b"picture", status: int = 200, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        length = {} if "Transfer_Encoding" in headers else {"Content-Length": str(len(body))}
        for name, value in (length | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def drip(start: bytes) -> Answer:
    """``start``, then a byte every 20 ms until the reader is gone or the test over."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(start)
        while not handler.server.closing.wait(0.02):
            handler.wfile.write(b"x")

    return answer


def raw(text: bytes) -> Answer:
    return lambda handler: handler.wfile.write(text) and None


# What is fetched ----------------------------------------------------------------------------------


def test_a_picture_is_fetched(site: Site) -> None:
    site.answers["/a.png"] = reply(Content_Type="IMAGE/png; charset=x")

    found = make().get(site.url("/a.png"))

    assert (found.data, found.content_type, found.final_url) == (b"picture", "image/png", site.url("/a.png"))
    assert site.seen[0].path == f"/a.png?ex=1&{SECRET}"


def test_a_query_without_equals_sign_arrives_as_it_is(site: Site) -> None:
    site.answers["/t.png"] = reply()
    make().get(f"http://127.0.0.1:{site.port}/t.png?imageMogr2/thumbnail/!50p")
    assert site.seen[0].path == "/t.png?imageMogr2/thumbnail/!50p"


def test_redirects_are_followed_three_times(site: Site) -> None:
    for number in range(4):
        site.answers[f"/{number}"] = reply(b"", 302, Location=f"/{number + 1}")
    site.answers["/4"] = reply()

    assert make().get(site.url("/1")).final_url == f"http://127.0.0.1:{site.port}/4"
    with pytest.raises(DownloadFailed, match="more than 3 redirects") as caught:
        make().get(site.url("/0"))
    assert not caught.value.retryable


def test_a_compressed_answer_is_decoded(site: Site) -> None:
    site.answers["/a"] = reply(gzip.compress(b"picture"), Content_Encoding="gzip")
    assert make().get(site.url("/a")).data == b"picture"


def test_nothing_of_the_environment_or_an_earlier_answer_is_sent(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    site.answers["/a"] = reply(Set_Cookie="session=1")
    downloader = make()

    downloader.get(site.url("/a"))
    downloader.get(site.url("/a"))

    assert not {"authorization", "cookie"} & {name.lower() for seen in site.seen for name in seen.headers}


def test_threads_share_one_downloader(site: Site) -> None:
    for number in range(8):
        site.answers[f"/{number}"] = reply(str(number).encode() * 1000)
    downloader, found = make(), dict[int, bytes]()

    def fetch(number: int) -> None:
        found[number] = downloader.get(site.url(f"/{number}")).data

    threads = [threading.Thread(target=fetch, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: str(number).encode() * 1000 for number in range(8)}


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        "http://127.0.0.1", "http://127.0.0.2", "http://[::1]", "http://[::ffff:127.0.0.1]", "http://169.254.169.254",
        "http://0.0.0.0", "http://[64:ff9b::7f00:1]", "http://[2002:7f00:1::]", "http://2130706433", "http://0x7f.1",
        "http://0177.0.0.1", "http://127.1", "http://me:pw@127.0.0.1", "http://me@8.8.8.8", "http://８.８.８.８",
        "ftp://8.8.8.8", "file:///etc/passwd", "gopher://8.8.8.8", "http://8.8.8.8\\@127.0.0.1", "http://8.8.8.8\t",
        "//8.8.8.8", "8.8.8.8", "", "http://", "http://[::1", "http://8.8.8.8:99999", "http://a b.test", "http://\n",
    ],
)  # fmt: skip
def test_other_addresses_and_disguises_are_refused_before_a_byte_is_sent(start: str) -> None:
    with pytest.raises(DownloadRefused) as caught:
        make(allow=()).get(f"{start}/a.png?{SECRET}")
    assert SECRET not in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("disguise", ["2130706433", "0x7f.1", "127.1", "me@127.0.0.1"])
def test_a_disguise_is_refused_even_of_an_allowed_address(site: Site, disguise: str) -> None:
    with pytest.raises(DownloadRefused):
        make().get(site.url("/a", disguise))
    assert not site.seen


@pytest.mark.parametrize(
    "onward", ["http://127.0.0.2:{port}/b", "//127.0.0.2:{port}/b", "http://private.test:{port}/b"]
)
def test_a_redirect_into_a_private_network_is_refused(site: Site, onward: str) -> None:
    site.answers["/a"] = reply(b"", 302, Location=onward.format(port=site.port))
    site.answers["/b"] = reply()

    with pytest.raises(DownloadRefused):
        make(private_test=["127.0.0.2"]).get(site.url("/a"))
    assert [seen.path.partition("?")[0] for seen in site.seen] == ["/a"]


@pytest.mark.parametrize("onward", ["file:///etc/passwd", "http://me:pw@127.0.0.1/", "http://[::1", "http://127.1/"])
def test_a_redirect_to_something_else_is_refused(site: Site, onward: str) -> None:
    site.answers["/a"] = reply(b"", 302, Location=onward)
    with pytest.raises(DownloadRefused):
        make().get(site.url("/a"))


@pytest.mark.parametrize("allow", ["images.test", "127.0.0.3", "127.0.0.0/30", "IMAGES.test."])
def test_allowed_by_name_address_or_network(site: Site, allow: str) -> None:
    site.answers["/a"] = reply()
    assert make((allow,), images_test=["127.0.0.3"]).get(site.url("/a", "images.test")).data == b"picture"
    assert site.seen[0].headers["Host"] == f"images.test:{site.port}"


def test_an_allowed_name_does_not_allow_its_address(site: Site) -> None:
    with pytest.raises(DownloadRefused):
        make(("images.test",), other_test=["127.0.0.1"]).get(site.url("/a", "other.test"))


def test_of_several_addresses_only_a_permitted_one_is_connected_to(site: Site) -> None:
    site.answers["/a"] = reply()
    make(images_test=["127.0.0.2", "10.0.0.1", "127.0.0.1"]).get(site.url("/a", "images.test"))
    assert site.reached == ["127.0.0.1"]


def test_a_name_that_changes_its_meaning_is_connected_to_as_it_was_judged(site: Site) -> None:
    site.answers["/a"] = reply(b"", 302, Location="/b")
    meanings = iter([["127.0.0.1"], ["127.0.0.2"]])
    rebinding = Downloader(("127.0.0.1",), LIMIT, 2, 10, resolver=lambda *_: next(meanings))

    with pytest.raises(DownloadRefused, match=r"images\.test"):
        rebinding.get(site.url("/a", "images.test"))

    assert site.reached == ["127.0.0.1"]
    assert next(meanings, None) is None  # one question per connection


# What fails ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "retryable", "gone"),
    [(401, False, False), (403, False, True), (404, False, True), (410, False, True), (408, True, False),
     (429, True, False), (500, True, False), (503, True, False), (204, False, False), (206, False, False)],
)  # fmt: skip
def test_an_error_status_says_whether_to_try_again(site: Site, status: int, retryable: bool, gone: bool) -> None:
    site.answers["/a"] = reply(b"", status)
    with pytest.raises(DownloadFailed) as caught:
        make().get(site.url("/a"))
    assert (caught.value.status, caught.value.retryable, caught.value.gone) == (status, retryable, gone)


@pytest.mark.parametrize("headers", [{}, {"Content_Length": str(LIMIT + 1)}, {"Content_Length": "what"}])
def test_a_body_over_the_limit_is_given_up(site: Site, headers: dict[str, str]) -> None:
    site.answers["/a"] = reply(b"x" * (LIMIT + 1), **headers)
    with pytest.raises(DownloadFailed, match=f"larger than {LIMIT}") as caught:
        make().get(site.url("/a"))
    assert not caught.value.retryable


def test_a_body_of_just_the_limit_is_taken(site: Site) -> None:
    site.answers["/a"] = reply(b"x" * LIMIT)
    assert len(make().get(site.url("/a")).data) == LIMIT


@pytest.mark.parametrize("chunked", [False, True])
def test_a_bomb_is_not_unpacked(site: Site, chunked: bool) -> None:
    bomb = gzip.compress(b"\0" * (100 << 20))
    headers = {"Content_Encoding": "gzip"} | ({"Transfer_Encoding": "chunked"} if chunked else {})
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(bomb), bomb) if chunked else bomb
    site.answers["/a"] = reply(body, **headers)

    tracemalloc.start()
    with pytest.raises(DownloadFailed, match="larger than"):
        make().get(site.url("/a"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize(
    "answer",
    [
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nshort"),
        reply(gzip.compress(b"picture")[:-9], Content_Encoding="gzip"),
        reply(gzip.compress(gzip.compress(b"picture")), Content_Encoding="gzip, gzip"),
        raw(b"HTTP/1.1 200 OK\r\n"),
        raw(b"nonsense\r\n\r\n"),
        raw(b""),
    ],
)
def test_a_broken_answer_may_be_asked_for_again(site: Site, answer: Answer) -> None:
    site.answers["/a"] = answer
    with pytest.raises(DownloadFailed) as caught:
        make().get(site.url("/a"))
    assert caught.value.retryable
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "]
)
def test_a_server_that_drips_is_cut_off(site: Site, start: bytes) -> None:
    site.answers["/a"] = drip(start)
    began = time.monotonic()
    with pytest.raises(DownloadFailed, match=r"took longer than 0\.3 s") as caught:
        make(total=0.3).get(site.url("/a"))
    assert caught.value.retryable
    assert time.monotonic() - began < 1.5


def test_a_silent_server_is_left_after_the_time_out(site: Site) -> None:
    site.answers["/a"] = lambda handler: handler.server.closing.wait(5) and None
    with pytest.raises(DownloadFailed, match="no answer in time") as caught:
        Downloader(("127.0.0.1",), LIMIT, 0.2, 10).get(site.url("/a"))
    assert caught.value.retryable


def unknown(_host: str, _port: int) -> list[str]:
    raise OSError(-2, "Name or service not known")


@pytest.mark.parametrize("resolver", [lambda *_: ["127.0.0.1"], lambda *_: [], unknown])
def test_a_closed_port_and_an_unknown_name_may_be_tried_again(resolver: Resolver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(DownloadFailed) as caught:
            Downloader(("127.0.0.1",), LIMIT, 2, 10, resolver=resolver).get(f"http://images.test:{port}/?{SECRET}")
    assert caught.value.retryable
    assert SECRET not in str(caught.value)


# What is said -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.test/b.png?ex=1&hm=2#part", "https://a.test/b.png?..."),
        ("https://me:pw@a.test:8/b.png", "https://a.test:8/b.png"),
        ("https://a.test/\x1b[31mred", "https://a.test/?[31mred"),
        ("https://[::1?hm=2", "an unreadable URL"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert redact_url(url) == shown
    assert len(redact_url(url + "x" * 9999)) < 300


def test_a_signature_is_not_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.answers["/a"] = raw(b"HTTP/1.1 200 OK\r\nbad header\r\nContent-Length: 2\r\n\r\nok")
    with caplog.at_level(logging.DEBUG):
        make().get(site.url("/a"))
    assert "malformed" in caplog.text or "Failed to parse headers" in caplog.text
    assert SECRET not in caplog.text


# JSON ---------------------------------------------------------------------------------------------


def test_json_is_posted_and_its_answer_read(site: Site) -> None:
    asked: list[object] = []

    def answer(handler: Handler) -> None:
        asked.append(json.loads(handler.body))
        reply(b'{"best": 2}', 201)(handler)

    site.answers["/score"] = answer
    assert make().post_json(site.url("/score"), {"prompt": "狐"}, timeout=2) == {"best": 2}
    assert asked == [{"prompt": "狐"}]


@pytest.mark.parametrize("body", [b"[1]", b"", b"{", b"null", b"\xff", b"[" * 200_000])
def test_an_answer_that_is_no_object_fails(site: Site, body: bytes) -> None:
    site.answers["/score"] = reply(body)
    with pytest.raises(DownloadFailed, match="not a JSON object") as caught:
        make().post_json(site.url("/score"), {}, timeout=2)
    assert not caught.value.retryable


def test_a_posted_question_follows_no_redirect_and_is_bounded(site: Site) -> None:
    site.answers |= {"/moved": reply(b"", 307, Location="/score"), "/drip": drip(b"HTTP/1.1 200 OK\r\n\r\n")}
    site.answers["/big"] = reply(b'{"a": "' + b"x" * (2 << 20) + b'"}')
    for path, reason in (("/moved", "answered 307"), ("/drip", "took longer"), ("/big", "larger than")):
        with pytest.raises(DownloadFailed, match=reason):
            make().post_json(site.url(path), {}, timeout=0.3)
    with pytest.raises(DownloadRefused):
        make(allow=()).post_json(site.url("/score"), {}, timeout=1)


# TLS ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of images.test with its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    made = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=images.test"
    options = ["-addext", "subjectAltName=DNS:images.test", "-keyout", f"{made}.key", "-out", f"{made}.crt"]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    made.write_text(Path(f"{made}.key").read_text() + Path(f"{made}.crt").read_text())
    return made


def serve_tls(site: Site, authority: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority)
    site.socket = context.wrap_socket(site.socket, server_side=True, do_handshake_on_connect=False)


def test_the_certificate_is_checked_against_the_name_not_the_address(site: Site, authority: Path) -> None:
    serve_tls(site, authority)
    site.answers["/a"] = reply()
    trust = ssl.create_default_context(cafile=authority)
    downloader = Downloader(("127.0.0.1",), LIMIT, 2, 10, resolver=lambda *_: ["127.0.0.1"], tls=trust)

    assert downloader.get(site.url("/a", "images.test", "https")).data == b"picture"
    with pytest.raises(DownloadFailed) as caught:
        downloader.get(site.url("/a", "other.test", "https"))
    assert not caught.value.retryable


def test_an_unknown_authority_is_not_trusted(site: Site, authority: Path) -> None:
    serve_tls(site, authority)
    with pytest.raises(DownloadFailed) as caught:
        make(images_test=["127.0.0.1"]).get(site.url("/a", "images.test", "https"))
    assert not caught.value.retryable
    assert not site.seen


def test_a_handshake_that_drips_is_cut_off(site: Site) -> None:
    site.RequestHandlerClass = type("Dripping", (Handler,), {"handle": drip(b"\x16\x03\x03\x40\x00")})
    began = time.monotonic()
    with pytest.raises(DownloadFailed, match="took longer"):
        make(total=0.3).get(site.url("/a", scheme="https"))
    assert time.monotonic() - began < 1.5
