"""BIRD's control socket: ask a node's BIRD, as ``birdc`` does.

An answer is lines of a code of four digits and text; a line without a code has that of the line before it.  The last
line has a space where the others have a ``-`` after the code; 8xxx is a refusal, 9xxx a misunderstanding.

Source: BIRD 2, ``nest/cli.c`` and ``doc/reply_codes``.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from labhelpers.errors import BadInput, LabError, NotFound, TimedOut
from labhelpers.lab import Node
from labhelpers.networks.own_run import here

__all__ = ["LOG", "SOCKET", "Session", "ask", "sessions"]

LOG = "/run/bird/bird.log"
SOCKET = "/run/bird/bird.ctl"  # where birdc looks for it
_PATIENCE = 5.0  # seconds; BIRD answers in milliseconds
_PROTOCOL, _ITS_DETAILS = 1002, 1006
_REFUSED, _MISUNDERSTOOD = 8000, 9000


@dataclass(frozen=True, slots=True)
class Session:
    """A BGP session as BIRD on one side sees it."""

    #: BIRD's name for it, ``Mesh_192_168_1_11``
    name: str
    #: the other side's address
    peer: str
    #: of the state machine of RFC 4271: Idle, Connect, Active (or Passive), OpenSent, OpenConfirm, Established
    state: str
    #: routes learned from the peer
    learned: int = 0
    #: why it ended last, ``""`` if it never did
    error: str = ""


def ask(node: Node, question: str) -> list[tuple[int, str]]:
    """Put one question to the BIRD of a node, such as ``show route``.

    Returns:
        the lines of the answer, each with its code.

    Raises:
        NotFound: no BIRD runs there.
        TimedOut: it runs and does not answer.
        BadInput: it does not understand the question.
        LabError: it refuses.

    Shell: ``birdc QUESTION``.
    """
    try:
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(_PATIENCE)
            talk.connect(str(here(node, SOCKET)))
            with talk.makefile("rw", encoding="utf-8", errors="replace", newline="\n") as lines:
                lines.readline()  # its greeting
                lines.write(" ".join(question.split()) + "\n")
                lines.flush()
                code, last, answer = _read(lines)
    except TimeoutError:
        raise TimedOut(
            f"BIRD on {node.name} did not answer within {_PATIENCE:g} s.", "Is it stopped? See with `ps`."
        ) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise NotFound(f"No BIRD answers on {node.name}: {why}.", f"Its log is in {LOG} on the node.") from None
    if code >= _MISUNDERSTOOD:
        raise BadInput(f"BIRD does not understand {question!r}: {last}.", "`birdc help` lists what it understands.")
    if code >= _REFUSED:
        raise LabError(f"BIRD on {node.name} refused {question!r}: {last}.", f"Its log is in {LOG} on the node.")
    return answer


def _read(lines: Iterable[str]) -> tuple[int, str, list[tuple[int, str]]]:
    """Code and text of the last line, and all lines that say something."""
    code = 0
    answer: list[tuple[int, str]] = []
    for line in lines:
        has_code = line[:4].isdigit()
        if has_code:
            code = int(line[:4])
        text = line[5 if has_code else 1 :].rstrip()
        if text:
            answer.append((code, text))
        if has_code and line[4:5] == " ":
            return code, text, answer
    raise OSError("it hung up before the end")


def sessions(node: Node) -> list[Session]:
    """The sessions of a node's BIRD.  Changes nothing.

    Raises:
        NotFound, TimedOut: as ``ask``.

    Shell: ``birdc show protocols all``.
    """
    details: dict[str, list[str]] = {}
    for code, text in ask(node, "show protocols all"):
        if code == _PROTOCOL:
            name, kind = text.split()[:2]
            lines: list[str] = []
            if kind == "BGP":
                details[name] = lines
        elif code == _ITS_DETAILS:
            lines.append(text.strip())
    return [_session(name, lines) for name, lines in details.items()]


def _session(name: str, lines: list[str]) -> Session:
    said = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    learned = re.match(r"(\d+) imported", said.get("Routes", ""))
    return Session(
        name,
        peer=said.get("Neighbor address", ""),
        state=said.get("BGP state", "Down"),
        learned=int(learned[1]) if learned else 0,
        error=said.get("Last error", ""),
    )
