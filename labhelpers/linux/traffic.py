"""Small real traffic: one ICMP echo, one TCP connection, a server that says who it saw."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from labhelpers.errors import AlreadyExists, BadInput, LabError
from labhelpers.linux import names, probe, process
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.namespace import NetworkNamespace

__all__ = ["Reply", "connect", "listen", "ping"]

_ECHO_SERVER = str(Path(__file__).with_name("echo_server.py"))
_MOST_TEXT = 1 << 16  # bytes of what a server says


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: ``ok``, the answer's ``text`` and sender, or why there was none."""

    ok: bool
    text: str = ""
    from_: str = ""
    error: str = ""

    @property
    def saw(self) -> str:
        """The source address that a server started with ``listen`` saw, ``""`` if another program answered."""
        words = self.text.split()
        return words[3] if self.text.startswith("you came from ") and len(words) == 6 else ""

    def __str__(self) -> str:
        return self.text if self.ok else f"no answer: {self.error}"

    __repr__ = __str__

    def __bool__(self) -> bool:
        return self.ok


def ping(namespace: NetworkNamespace, destination: str, *, timeout: float = 1.0, size: int = 56) -> Reply:
    """Send one ICMP echo request (RFC 792) from inside the namespace and wait for the reply.

    Args:
        destination: an IPv4 address.
        timeout: seconds.
        size: payload bytes, at most 65507; 56 makes a packet of 84 bytes, as ``ping`` does.

    Raises:
        BadInput, Vanished, NotInSandbox.

    Shell: ``ip netns exec NAME ping -c 1 -W 1 DESTINATION``.
    """
    require_sandbox()
    _require_ipv4(destination)
    if not isinstance(size, int) or not 0 <= size <= probe.LARGEST["ICMP"]:
        raise BadInput(f"A ping of {size!r} bytes is not possible.", f"Use a number from 0 to {probe.LARGEST['ICMP']}.")
    answer = probe.send(probe.Probe.make("ICMP", destination, size=size), namespace, timeout=timeout)
    if answer.ok:
        return Reply(True, f"reply from {answer.from_}", answer.from_)
    return Reply(False, error=answer.words or f"nothing came back within {timeout:g} s")


def connect(namespace: NetworkNamespace, destination: str, port: int, *, timeout: float = 1.0) -> Reply:
    """Open a TCP connection from inside the namespace and read what the server says.

    Args:
        destination: an IPv4 address.
        port: 1 to 65535.
        timeout: seconds, for the connection and for all the server says.

    Raises:
        BadInput, Vanished, NotInSandbox.

    Shell: ``ip netns exec NAME nc -w 1 DESTINATION PORT``.
    """
    require_sandbox()
    _require_ipv4(destination)
    _port(port)
    end = time.monotonic() + timeout
    said = b""
    what = "nothing"
    with namespace.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as tcp:
        tcp.settimeout(timeout)
        try:
            tcp.connect((destination, port))
            what = "connected, but nothing"
            while (left := end - time.monotonic()) > 0 and len(said) < _MOST_TEXT:
                tcp.settimeout(left)
                more = tcp.recv(4096)
                if not more:
                    break
                said += more
        except TimeoutError:
            if not said:
                return Reply(False, error=f"{what} came back within {timeout:g} s")
        except OSError as error:
            return Reply(False, error=_words(error))
    return Reply(True, said.decode(errors="replace").strip(), destination)


def listen(namespace: NetworkNamespace, port: int, *, address: str = "0.0.0.0", pid: int = 0) -> process.Process:
    """Start a process inside the namespace that tells every TCP client which source address it saw.

    Args:
        port: 1 to 65535.
        address: the address to bind, all by default.
        pid: a node's holder process, see :func:`process.spawn`.

    Raises:
        AlreadyExists: something in this namespace listens on the port.

    Shell: ``ip netns exec NAME nc -l -k PORT &``, which says nothing.
    """
    require_sandbox()
    _require_ipv4(address)
    command = [sys.executable, "-I", "-S", _ECHO_SERVER, address, str(_port(port))]
    server = process.spawn(namespace, command, pid=pid)
    try:
        said = server.stdout.readline().strip()
    except BaseException:
        server.stop()
        raise
    if said == "listening":
        return server
    server.stop()
    if said == "in use":
        raise AlreadyExists(
            f"Port {port} is taken in {namespace.name or 'this namespace'}.",
            "Stop the server there, or choose another port; other namespaces are not affected.",
        )
    raise LabError(f"The server did not start: {said or 'it ended at once'}.", "Look at its address and port.")


def _require_ipv4(address: str) -> None:
    if names.address(address).version != 4:
        raise BadInput(f"{address} is IPv6; this helper speaks IPv4.", "Use run(…) with a program that speaks IPv6.")


def _port(port: int) -> int:
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
        raise BadInput(f"{port!r} is not a TCP port.", "Use a whole number from 1 to 65535.")
    return port


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
