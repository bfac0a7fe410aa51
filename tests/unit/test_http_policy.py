"""HTTP rules, and which heads of requests are refused because they can be read in two ways."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.errors import BadInput
from labhelpers.networks.http_policy.head import refusal
from labhelpers.networks.http_policy.rules import read_rules, who_allows

GOOD = "GET /public/a?b=c HTTP/1.1\r\nHost: web:80\r\nAccept: */*\r\n\r\n"


def head(*lines: str, first: str = "POST /a HTTP/1.1", host: str = "Host: web") -> bytes:
    return "\r\n".join([first, *filter(None, [host]), *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("given_head", "words"),
    [
        (head("Content-Length: 4", "Transfer-Encoding: chunked"), "both Content-Length and Transfer-Encoding"),
        (head("Content-Length: 4", "Content-Length: 4"), "said twice"),
        (head("Content-Length: 4", "content-length: 5"), "said twice"),
        (head("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), "said twice"),
        (head("Content-Length: 4, 4"), "no number"),
        (head("Content-Length: +4"), "no number"),
        (head("Content-Length: 0x4"), "no number"),
        (head("Content-Length: "), "no number"),
        (head("Content-Length: 9999999999999999999"), "no number"),
        (head("Transfer-Encoding: xchunked"), "other than chunked"),
        (head("Transfer-Encoding: gzip, chunked"), "other than chunked"),
        (head("Transfer-Encoding: chunked", first="POST /a HTTP/1.0"), "other than chunked"),
        (head("Transfer-Encoding: \x0bchunked"), "no header"),
        (head("Transfer-Encoding : chunked"), "no header"),
        (head("Content-Length\t: 4"), "no header"),
        (head("X: a", " b"), "goes on in the next line"),
        (head("X: a", "\tTransfer-Encoding: chunked"), "goes on in the next line"),
        (head(" Content-Length: 4", host=""), "goes on in the next line"),
        (head("no header at all"), "no header"),
        (head(": empty"), "no header"),
        (b"GET / HTTP/1.1\nHost: web\n\r\n\r\n", "CR LF"),
        (b"GET / HTTP/1.1\r\nHost: web\r\nX: a\nContent-Length: 5\r\n\r\n", "CR LF"),
        (b"GET / HTTP/1.1\r\nHost: web\r\nX: a\rContent-Length: 5\r\n\r\n", "CR LF"),
        (b"GET / HTTP/1.1\r\nHost: web\r\nX: a\0b\r\n\r\n", "zero byte"),
        (b"GET / HTTP/1.1\r\nHost: web\r\n", "CR LF"),
        (head(first="GET  /a HTTP/1.1"), "first line"),
        (head(first="GET /a b HTTP/1.1"), "first line"),
        (head(first="GET /a HTTP/2.0"), "first line"),
        (head(first="GET /a HTTP/1.1 "), "first line"),
        (head(first="G(T /a HTTP/1.1"), "first line"),
        (head(first="GET /a"), "first line"),
        (head(first="GET http://db/a HTTP/1.1"), "no path"),
        (head(first="GET * HTTP/1.1"), "no path"),
        (head(first="CONNECT db:80 HTTP/1.1"), "CONNECT"),
        (head(first="GET /public/../admin HTTP/1.1"), ". or .."),
        (head(first="GET /public/%2e%2E/admin HTTP/1.1"), ". or .."),
        (head(first="GET /./admin HTTP/1.1"), ". or .."),
        (head(first="GET /public/..%2fadmin HTTP/1.1"), "two ways"),
        (head(first="GET //admin HTTP/1.1"), "two ways"),
        (head(first="GET /public%5cadmin HTTP/1.1"), "two ways"),
        (head(first="GET /a%00 HTTP/1.1"), "two ways"),
        (head(first="GET /public\\..\\admin HTTP/1.1"), "does not belong"),
        (head(first="GET /a#b HTTP/1.1"), "does not belong"),
        (head(first="GET /a%zz HTTP/1.1"), "does not belong"),
        (head(host=""), "one Host"),
        (head("Host: db"), "one Host"),
        (head(host="Host: web/../db"), "Host that is none"),
        (head(host="Host: web, db"), "Host that is none"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(given_head: bytes, words: str) -> None:
    assert words in refusal(given_head)


@pytest.mark.parametrize(
    "given_head",
    [
        GOOD.encode(),
        head("Content-Length: 0"),
        head("Transfer-Encoding: chunked"),
        head("Transfer-Encoding:CHUNKED  "),
        head("X-Empty:", "X: ä"),
        head(first="OPTIONS * HTTP/1.1"),
        head(first="GET / HTTP/1.0", host=""),
        head(first="GET /a%20b/..c/.d?x=../%2e//&y HTTP/1.1"),
        head(host="Host: [fe80::1]:8080"),
    ],
)
def test_what_is_in_order_is_not(given_head: bytes) -> None:
    assert refusal(given_head) == ""


PIECES = st.sampled_from(
    [
        *(
            "GET",
            "POST",
            " ",
            "/",
            "/a",
            "..",
            "%2e",
            "HTTP/1.1",
            "HTTP/1.0",
            "\r\n",
            "\n",
            "\r",
            "\t",
            ":",
            "Host: web",
        ),
        *("Content-Length: 5", "Content-Length", "Transfer-Encoding: chunked", "chunked", "\0", "\x85", "x", ","),
    ]
)


@given(st.lists(PIECES, max_size=25), st.booleans())
def test_what_is_not_refused_another_reader_understands_alike(pieces: list[str], begun: bool) -> None:
    """Whatever the bytes are: if they are let through, h11 finds the same method, target and framing in them."""
    start = "GET /a HTTP/1.1\r\nHost: web\r\n" if begun else ""
    data = (start + "".join(pieces) + "\r\n\r\n").encode("latin-1")
    data = data[: data.index(b"\r\n\r\n") + 4]
    if refusal(data):
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    request = reader.next_event()
    assert isinstance(request, h11.Request)
    assert data.split(b" ")[:2] == [request.method, request.target]
    said = [name for name, _ in request.headers if name in (b"content-length", b"transfer-encoding")]
    assert len(said) <= 1
    assert reader.trailing_data == (b"", False)


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(data: bytes) -> None:
    assert isinstance(refusal(data), str)
    assert isinstance(refusal(GOOD.encode()[:-4] + data + b"\r\n\r\n"), str)


def test_a_rule_fits_whole_words_and_the_first_that_fits_is_named() -> None:
    rules = read_rules([{"method": "GET", "path": "/public(/.*)?"}, {"method": "PUT|POST", "path": "/api/[0-9]+"}, {}])
    assert [who_allows(rules[:2], *asked, "web") for asked in (
        ("GET", "/public"), ("GET", "/public/a?b"), ("POST", "/api/12"), ("GET", "/publicity"), ("get", "/public"),
        ("DELETE", "/public"), ("POST", "/api/12/x"), ("POST", "/api/12\n"),
    )] == [rules[0], rules[0], rules[1], None, None, None, None, None]  # fmt: skip
    assert who_allows(rules, "DELETE", "/x", "") is rules[2]
    assert who_allows((), "GET", "/", "") is None
    assert [str(one) for one in rules] == [
        "method GET, path /public(/.*)?",
        "method PUT|POST, path /api/[0-9]+",
        "every request",
    ]
    (by_host,) = read_rules([{"host": r"web\.shop"}])
    assert by_host.allows("GET", "/", "web.shop")
    assert not by_host.allows("GET", "/", "web-shop")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "("}, "no regular expression"),
        ({"method": 3}, "is no text"),
        ({"path": "a" * 1001}, "is no text"),
        ({"headers": ["X: y"]}, "Envoy"),
        ({"verb": "GET"}, "unknown word 'verb'"),
        ("GET /", "no HTTP rule"),
    ],
)
def test_what_is_no_rule_is_refused_with_words(entry: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_rules([entry])  # type: ignore[list-item]
