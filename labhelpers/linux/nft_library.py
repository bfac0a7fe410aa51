"""nftables by libnftables, the library that the ``nft`` program is made of (``libnftables.h``).

It reads the same language and costs no process: a change of one element takes a tenth of a millisecond, where starting
``nft`` takes twenty.  Debian's package ``nftables`` needs the library, so it is there wherever ``nft`` is.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import struct
import threading
from functools import cache
from typing import Any

from labhelpers.errors import BadInput, KernelFeatureMissing, ToolMissing
from labhelpers.linux import constants as c
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.netlink import HEADER, attributes, split
from labhelpers.linux.nfnetlink import NETFILTER

__all__ = ["Owned", "elements", "generation", "listing", "load", "parsed", "structure", "tables"]

_STATELESS, _JSON, _TERSE = 1 << 2, 1 << 4, 1 << 11  # NFT_CTX_OUTPUT_…
_SUBSYSTEM, _GETGEN, _NFTA_GEN_ID = 10, 16, 1
_PATIENCE = 5.0  # seconds; the kernel's answer is there when the call returns
_NOT_THERE = "No such file or directory"
#: the library's parser has state of its own in places
_one_at_a_time = threading.Lock()


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libnftables.so.1")
    except OSError:
        raise ToolMissing("libnftables is not installed.", "Install the package nftables.") from None
    library.nft_ctx_new.restype = ctypes.c_void_p
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).restype = ctypes.c_char_p
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error", *_BUFFERS):
        getattr(library, name).argtypes = (ctypes.c_void_p,)
    library.nft_ctx_output_set_flags.argtypes = (ctypes.c_void_p, ctypes.c_uint)
    library.nft_run_cmd_from_buffer.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    return library


_BUFFERS = ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer")


def _run(text: str, flags: int) -> tuple[bool, str]:
    """Run commands in the calling thread's namespace; the context's socket is closed again, as it keeps that alive."""
    library = _library()
    with _one_at_a_time:
        context = library.nft_ctx_new(0)
        if not context:
            raise KernelFeatureMissing("libnftables got no netlink socket.", "Run doctor() to see why.")
        try:
            library.nft_ctx_buffer_output(context)
            library.nft_ctx_buffer_error(context)
            library.nft_ctx_output_set_flags(context, flags)
            ok = library.nft_run_cmd_from_buffer(context, text.encode()) == 0
            said = library.nft_ctx_get_output_buffer(context) if ok else library.nft_ctx_get_error_buffer(context)
            return ok, (said or b"").decode(errors="replace")
        finally:
            library.nft_ctx_free(context)


def load(namespace: NetworkNamespace, rules: str) -> None:
    """Change the namespace's nftables ruleset in one transaction: all of ``rules``, or nothing.

    Args:
        rules: lines in the language of ``nft -f``.

    Raises:
        BadInput: with nft's own explanation; the ruleset is as it was.  ``errno`` is EMSGSIZE if it is too long for one
            transaction, as much is for an ordinary user.
        ToolMissing: the library is not installed.
        Vanished: the namespace is gone.

    Shell: ``ip netns exec NAME nft -f -``.
    """
    ok, said = namespace.visit(lambda: _run(rules + "\n", 0))
    if not ok:
        raise BadInput(
            f"nft did not accept the rules in {namespace.name or 'this namespace'}:\n{said.strip()}",
            "Nothing was changed. `man nft` describes the language.",
            errno=errno.EMSGSIZE if os.strerror(errno.EMSGSIZE) in said else None,
        )


class Owned:
    """Load rules in one transaction, and keep the connection to the kernel open that has done it.

    Tables among them that are to be owned (``flags owner``) can then be changed by nobody else, and go when the object
    is closed or its process ends, however it does.

    Args:
        rules: lines in the language of ``nft -f``.

    Raises:
        BadInput, ToolMissing, Vanished: nothing was loaded.

    Shell: ``nft -i``, which stays.
    """

    def __init__(self, namespace: NetworkNamespace, rules: str) -> None:
        self._context: int | None = None
        ok, said = namespace.visit(lambda: self._load(rules))
        if not ok:
            self.close()
            raise BadInput(f"nft did not accept the rules in {namespace.name}:\n{said.strip()}", "Nothing was changed.")

    def _load(self, rules: str) -> tuple[bool, str]:
        library = _library()
        with _one_at_a_time:
            self._context = library.nft_ctx_new(0)
            if not self._context:
                return False, "no netlink socket"
            library.nft_ctx_buffer_error(self._context)
            ok = library.nft_run_cmd_from_buffer(self._context, (rules + "\n").encode()) == 0
            return ok, (library.nft_ctx_get_error_buffer(self._context) or b"").decode(errors="replace")

    def close(self) -> None:
        """End the connection; what it owns goes."""
        if self._context:
            with _one_at_a_time:
                _library().nft_ctx_free(self._context)
        self._context = None


def listing(namespace: NetworkNamespace, table: str) -> str:
    """A table as text, without counters; ``""`` if it is not there.  Shell: ``nft --stateless list table ip TABLE``.

    Args:
        table: its family and name, ``ip network_policy``.
    """
    return _listed(namespace, table, _STATELESS)


def parsed(namespace: NetworkNamespace, table: str) -> list[dict[str, Any]]:
    """What is in a table, with its counters: a dictionary for each part.  Shell: ``nft --json list table ip TABLE``."""
    text = _listed(namespace, table, _JSON)
    return json.loads(text)["nftables"] if text else []


def tables(namespace: NetworkNamespace, family: str) -> list[str]:
    """The names of the tables of a family.  Shell: ``nft list tables ip``."""
    ok, said = namespace.visit(lambda: _run(f"list tables {family}", 0))
    return [line.split()[2] for line in said.splitlines() if line.startswith("table ")] if ok else []


def structure(namespace: NetworkNamespace, table: str, *, counters: bool = False) -> str:
    """A table as text but for what its sets and maps hold, which may be much; ``""`` if it is not there.

    Args:
        counters: with what its rules have counted.

    Shell: ``nft --terse --stateless list ruleset FAMILY``; ``list table`` reads all elements before it leaves them out.
    """
    family = table.partition(" ")[0]
    ok, said = namespace.visit(lambda: _run(f"list ruleset {family}", _TERSE | (0 if counters else _STATELESS)))
    if not ok:
        raise BadInput(f"nft could not list {table} of {namespace.name}: {said.strip()}", "Run doctor().")
    lines = said.splitlines()
    try:
        begin = lines.index(f"table {table} {{")
    except ValueError:
        return ""
    return "\n".join(lines[begin : lines.index("}", begin) + 1])


def elements(namespace: NetworkNamespace, table: str, kind: str, name: str) -> list[Any]:
    """What one set or map holds, as nft's JSON has it; nothing if it is not there.

    Args:
        kind: ``set`` or ``map``.

    Shell: ``nft --json list KIND TABLE NAME``.
    """
    ok, said = namespace.visit(lambda: _run(f"list {kind} {table} {name}", _JSON))
    found = (part[kind].get("elem") for part in json.loads(said)["nftables"] if kind in part) if ok else ()
    return next((one for one in found if one), [])


def _listed(namespace: NetworkNamespace, table: str, flags: int) -> str:
    ok, said = namespace.visit(lambda: _run(f"list table {table}", flags))
    if ok:
        return said
    if _NOT_THERE in said:
        return ""
    raise BadInput(f"nft could not list {table} of {namespace.name}: {said.strip()}", "Run doctor().")


def generation(namespace: NetworkNamespace) -> int:
    """How many transactions the namespace's ruleset has seen, whoever made them.  Shell: ``nft monitor`` shows each.

    Two equal numbers mean that nobody changed any table in between.  Source: NFT_MSG_GETGEN in
    ``include/uapi/linux/netfilter/nf_tables.h``.
    """

    def ask() -> int:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER) as netfilter:
            netfilter.settimeout(_PATIENCE)
            netfilter.send(HEADER.pack(20, _SUBSYSTEM << 8 | _GETGEN, c.NLM_F_REQUEST, 1, 0) + bytes(4))
            data = netfilter.recv(1 << 16)
            for kind, _, _, begin, end in split(data):
                if kind == c.NLMSG_ERROR:
                    break
                (number,) = struct.unpack("!I", attributes(data[begin:end], 4)[_NFTA_GEN_ID])
                return int(number)
        raise KernelFeatureMissing("This kernel has no nftables.", "Run doctor() to see what it can do.")

    return namespace.visit(ask)
