"""``%%ns pod-a``: run a cell of shell commands inside a network namespace, with completion.

Equivalent shell: ``ip netns exec pod-a bash``.
"""

from __future__ import annotations

import codecs
import difflib
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher
from IPython.core.getipython import get_ipython
from IPython.core.magic import Magics, line_cell_magic, magics_class

from labhelpers.errors import BadInput, ExpectationFailed, NotFound, Vanished
from labhelpers.linux import process
from labhelpers.linux.namespace import FOLDER, NetworkNamespace
from labhelpers.topology import Snapshot

__all__ = ["NsMagics", "Stopped", "complete", "find", "load", "load_ipython_extension", "run_in"]

_COMMANDS = (
    "bridge fdb show",
    "bridge link",
    "ip -brief address",
    "ip -brief link",
    "ip address",
    "ip link",
    "ip neighbour",
    "ip route",
    "ip route get ",
    "nft list ruleset",
    "ping -c 1 -W 1 ",
    "ss -lnt",
    "sysctl net.ipv4.ip_forward",
    "tcpdump -n -c 1 -i eth0",
)
_USAGE = "Write `%%ns pod-a` above a cell, or `%ns pod-a ip route` in a line.  `--check` makes a failure an error."


class Stopped(KeyboardInterrupt):
    """A cell of shell commands was interrupted: one word, and not where in this module Python was at that moment."""

    def _render_traceback_(self) -> list[str]:
        return ["Stopped."]


@magics_class
class NsMagics(Magics):
    """The ``%ns`` and ``%%ns`` magics."""

    @line_cell_magic
    def ns(self, line: str, cell: str | None = None) -> None:
        """Run shell commands inside a namespace: ``%ns NAME COMMAND``, or ``%%ns NAME`` above a cell.

        NAME is a pod, a node, or anything ``ip netns list`` shows here or on a node.  With ``--check`` before
        NAME, or after it above a cell, an exit status other than 0 is an error.
        """
        words = line.split(None, 1)
        strict = bool(words) and words[0] == "--check"
        if strict:
            words = words[1].split(None, 1) if len(words) > 1 else []
        if not words:
            raise BadInput("%ns was given no namespace.", _USAGE)
        name, rest = words[0], words[1] if len(words) > 1 else ""
        if cell is not None:
            if rest.strip() not in ("", "--check"):
                raise BadInput(f"%%ns does not understand {rest.strip()!r} after the namespace.", _USAGE)
            strict = strict or bool(rest.strip())
        elif not rest:
            raise BadInput(f"%ns {name} was given no command.", _USAGE)
        try:
            status = run_in(name, cell if cell is not None else rest)
        except KeyboardInterrupt:
            raise Stopped from None
        if status and strict:
            raise ExpectationFailed("exit status 0", f"exit status {status}")


def run_in(name: str, script: str) -> int:
    """Run a bash script inside a namespace, print what it writes as it comes, and return its exit status.

    Raises:
        NotFound: there is no such namespace; the message names the nearest ones.
    """
    namespace, pid = find(name)
    # both streams as one, so that the order of what is written stays
    child = process.spawn(namespace, ["bash", "-c", f"exec 2>&1\n{script}"], pid=pid)
    try:
        status = _copy(child)
    except KeyboardInterrupt:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        raise
    finally:
        _let_background_write(child)
        child.stop()
    if status:
        print(f"exit status {status}")
    return status


def _copy(child: process.Process) -> int:
    """Print what the child writes until it ends.  What it leaves in the background is not waited for."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    out = child.stdout.fileno()
    ended = os.pidfd_open(child.pid)
    try:
        data = b"something"
        while data:
            readable, _, _ = select.select([out, ended], [], [])
            data = os.read(out, 65536) if out in readable else b""
            sys.stdout.write(decoder.decode(data))
            sys.stdout.flush()
        how = os.waitid(os.P_PIDFD, ended, os.WEXITED | os.WNOWAIT)
    finally:
        os.close(ended)
    return how.si_status if how and how.si_code == os.CLD_EXITED else 128 + (how.si_status if how else 0)


def _let_background_write(child: process.Process) -> None:
    """Read on, and throw away, what programs left in the background write: a closed pipe would end them."""
    rest = os.dup(child.stdout.fileno())

    def read_to_the_end() -> None:
        while os.read(rest, 65536):
            pass
        os.close(rest)

    threading.Thread(target=read_to_the_end, name=f"output of {child.pid}", daemon=True).start()


def find(name: str) -> tuple[NetworkNamespace, int]:
    """The namespace, and for a node the process that holds its file systems (0 for none).

    Raises:
        NotFound: there is no such namespace; the message names the nearest ones.
    """
    snapshot = Snapshot.take()
    if name not in snapshot:
        near = difflib.get_close_matches(name, snapshot.names, n=3)
        raise NotFound(
            f"There is no namespace {name!r}.",
            (f"Did you mean {' or '.join(near)}? " if near else "") + f"There are: {', '.join(snapshot.names)}.",
        )
    state = snapshot[name]
    folders = [FOLDER]
    if state.node in snapshot:
        folders.append(Path(f"/proc/{snapshot[state.node].pid}/root{FOLDER}"))
    paths = [f"/proc/{state.pid or 'self'}/ns/net", *(str(path) for one in folders for path in one.glob("*"))]
    found = (NetworkNamespace(name, path, state.inode) for path in paths)
    namespace = next((one for one in found if one.exists), None)
    if namespace is None:
        raise Vanished(f"The namespace {name!r} was removed this moment.", "Run the cell again.")
    return namespace, state.pid if state.role == "node" else 0


@context_matcher()
def complete(context: CompletionContext) -> dict[str, Any]:
    """Names of namespaces after ``%%ns``, and commands in the lines below it."""
    lines = context.full_text.split("\n")
    if not lines[0].lstrip().startswith(("%ns", "%%ns")):
        return {"completions": []}
    line = lines[context.cursor_line][: context.cursor_position]
    offered, typed = list(_COMMANDS), line.lstrip()
    if context.cursor_line == 0:
        _, space, typed = line.lstrip().partition(" ")
        if not space:  # what is offered would take the place of the word %%ns itself
            return {"completions": []}
        typed = typed.lstrip().removeprefix("--check").lstrip()
        name, space, command = typed.partition(" ")
        offered, typed = (list(_COMMANDS), command) if space else (_names(), name)
    done = typed[: len(typed) - len(context.token)] if typed.endswith(context.token) else ""
    found = [SimpleCompletion(word[len(done) :], type="ns") for word in offered if word.startswith(typed)]
    return {"completions": found, "suppress": True, "ordered": True}


def _names() -> list[str]:
    """The namespaces there are; the sandbox's own is seldom meant, and comes last."""
    snapshot = Snapshot.take()
    return sorted(snapshot.names, key=lambda name: snapshot[name].role == "host")


def load_ipython_extension(shell: Any) -> None:
    """What the sandbox's kernel has IPython call at the first ``%%ns``, if nothing of the course is imported yet."""
    load()


def load() -> None:
    """Teach this IPython the magics and their completion.  A second call changes nothing."""
    shell = get_ipython()
    if shell is None or complete in shell.Completer.custom_matchers:
        return
    shell.register_magics(NsMagics)
    shell.Completer.custom_matchers.append(complete)
