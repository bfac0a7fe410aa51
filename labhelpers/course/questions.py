"""Small questions that the exercises ask the kernel."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from IPython.core.getipython import get_ipython

from labhelpers.course.exercise import Todo
from labhelpers.errors import LabError, NotFound
from labhelpers.lab import Lab, Namespace
from labhelpers.topology import End, Snapshot

__all__ = [
    "answers",
    "cable",
    "end",
    "exists",
    "lab_of_notebook",
    "mark",
    "marked",
    "pinged",
    "processes",
    "until_running",
]


def exists(name: str) -> Todo:
    """Is there a namespace of this name?"""
    return Todo(Path("/run/netns", name).exists(), f"there is a namespace {name}", f"no {name} in /run/netns")


def pinged(source: Namespace, address: str, what: str) -> Todo:
    """Does a ping from ``source`` come back?"""
    reply = source.ping(address, timeout=0.5)
    return Todo(reply.ok, what, str(reply))


def answers(place: Namespace, port: int) -> bool:
    """Does some program accept TCP connections on the namespace's own localhost?"""
    return place.run(["bash", "-c", f": < /dev/tcp/127.0.0.1/{port}"], timeout=5).ok


def cable(a: str, b: str) -> Todo:
    """Are these two, each written ``namespace/interface``, the ends of one cable?"""
    near, far = (End(*end.split("/")) for end in (a, b))
    peer = Snapshot.take().peer(near.namespace, near.link)
    seen = f"the other end of {near} is {peer}" if peer else f"{near} is not a cable, or not there"
    return Todo(peer == far, f"a cable joins {near} and {far}", seen)


def mark(places: Iterable[Namespace], id: str) -> None:
    """Note on each namespace's lo, behind who it is, that exercise ``id`` made it.

    Shell: ``ip -n NAME link set lo alias '… exercise=ID'``.
    """
    for place in places:
        alias = f"{place.links()['lo'].alias} exercise={id}"
        place.run(["ip", "link", "set", "lo", "alias", alias], check=True)


def marked(places: Iterable[Namespace], id: str) -> bool:
    """Are there such namespaces, and did exercise ``id`` make all of them?"""
    notes = [place.links()["lo"].alias.split() for place in places]
    return bool(notes) and all(f"exercise={id}" in note for note in notes)


def processes(*command: str) -> Iterator[int]:
    """The ids of the processes that run exactly this command line."""
    wanted = "\0".join(command) + "\0"
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_text() == wanted:
                yield int(entry.name)
        except OSError:  # it has ended, or is not ours to look at
            continue


def until_running(*command: str) -> None:
    """Wait until a process runs exactly this command line.

    Raises:
        LabError: after 5 seconds.
    """
    last = time.monotonic() + 5
    while not any(processes(*command)):
        if time.monotonic() > last:
            raise LabError(f"`{' '.join(command)}` did not start.", "Run the cell again.")
        time.sleep(0.01)


def end(*command: str) -> None:
    """End the processes that run exactly this command line."""
    for pid in processes(*command):
        os.kill(pid, signal.SIGKILL)


def lab_of_notebook() -> Lab:
    """The lab that the notebook calls ``lab``.

    Raises:
        NotFound: the notebook has no such variable.
    """
    shell = get_ipython()
    lab = shell.user_ns.get("lab") if shell else None
    if not isinstance(lab, Lab):
        raise NotFound("This notebook has no lab called `lab`.", "Run the cells from the top.")
    return lab
