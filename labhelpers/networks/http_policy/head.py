"""Is the head of a request beyond doubt?  What two programs could read in two ways is refused, and never passed on.

A proxy that judges one request while its server reads another has judged nothing ("request smuggling").  So this is
stricter than a server has to be.  Source: RFC 9112, sections 2.2, 3, 5.2, 6.1, 6.3 and 11.2; RFC 9110, section 7.2.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

__all__ = ["END", "LONGEST", "refusal"]

END = b"\r\n\r\n"
LONGEST = 16 * 1024  # bytes of a head
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST = re.compile(rb"(%s) ([!-~]+) HTTP/1\.([01])" % _TOKEN)
_FIELD = re.compile(rb"(%s):[ \t]*([\t -~\x80-\xff]*?)[ \t]*" % _TOKEN)
_HOST = re.compile(rb"[A-Za-z0-9._~-]*(?::[0-9]{1,5})?|\[[0-9a-fA-F:.]+\](?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_ESCAPED = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def refusal(head: bytes) -> str:
    """Why this head is refused, in words; ``""`` if it is in order.  Touches nothing.

    Args:
        head: all bytes up to and with the empty line.
    """
    lines = head.removesuffix(END).split(b"\r\n")
    if not head.endswith(END) or any(bad in line for line in lines for bad in (b"\n", b"\r", b"\0")):
        return "a line that does not end with CR LF, or a zero byte"
    request = _REQUEST.fullmatch(lines[0])
    if request is None:
        return "a first line that is not METHOD PATH HTTP/1.1"
    fields: dict[bytes, list[bytes]] = {}
    for line in lines[1:]:
        if line[:1] in (b" ", b"\t"):
            return "a header that goes on in the next line"
        field = _FIELD.fullmatch(line)
        if field is None:
            return "a line that is no header"
        fields.setdefault(field[1].lower(), []).append(field[2])
    return _target(request[1], request[2]) or _host(fields, request[3]) or _framing(fields, request[3])


def _target(method: bytes, target: bytes) -> str:
    if method == b"CONNECT":
        return "CONNECT: this is no proxy of the client's choice"
    if target == b"*":
        return "" if method == b"OPTIONS" else "a target that is no path"
    if not target.startswith(b"/"):
        return "a target that is no path"
    path = target.partition(b"?")[0]
    if b"#" in target or b"\\" in path or _ESCAPED.search(target):
        return "a character that does not belong into a path"
    plain = unquote_to_bytes(path)
    if b"//" in path or plain.count(b"/") > path.count(b"/") or b"\\" in plain or b"\0" in plain:
        return "a path that can be read in two ways"
    if any(part in (b".", b"..") for part in plain.split(b"/")):
        return "a path with . or .. as a part"
    return ""


def _host(fields: dict[bytes, list[bytes]], version: bytes) -> str:
    hosts = fields.get(b"host", [])
    if len(hosts) > 1 or (version == b"1" and not hosts):
        return "not exactly one Host"
    if hosts and not _HOST.fullmatch(hosts[0]):
        return "a Host that is none"
    return ""


def _framing(fields: dict[bytes, list[bytes]], version: bytes) -> str:
    """Where the body ends must be said once, and in one way."""
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    if lengths and codings:
        return "both Content-Length and Transfer-Encoding"
    if len(lengths) > 1 or len(codings) > 1:
        return "the length of the body said twice"
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        return "a Content-Length that is no number"
    if codings and (version == b"0" or codings[0].lower() != b"chunked"):
        return "a Transfer-Encoding other than chunked"
    return ""
