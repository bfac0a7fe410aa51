"""An eBPF program where packets come in or go out."""

from __future__ import annotations

from labhelpers.errors import LabError
from labhelpers.linux.bpf import filters
from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Why

__all__ = ["program"]

#: the kernel's words for a packet that a program dropped, and the hook where it did
_WORDS = {"tc ingress": filters.INGRESS, "tc egress": filters.EGRESS}


def program(evidence: Evidence) -> Why | None:
    """A program at an interface dropped it; the kernel tells that to root, who alone can have such programs."""
    last = evidence.last
    if last is None:
        return None
    here, device = last.namespace, last.device
    words = {word for namespace, word in evidence.told.drops if namespace == here} & _WORDS.keys()
    link = evidence.link(here, device)
    if not words or link is None:
        return None
    word = min(words)
    try:
        with evidence.namespaces[here].socket() as socket:
            names = [one.name for one in filters.attached(socket, link.index, _WORDS[word])]
    except LabError:
        names = []
    if not names:
        return None
    hook = word.removeprefix("tc ")
    return Why(
        f"The eBPF program {names[0]} at {last.place} dropped it.",
        "program",
        last.place,
        (f"{here}: the kernel dropped a second one at {device}: {word}",),
        "Its network knows why: see observe(), or explain() for policies. "
        f"`tc -n {here} filter show dev {device} {hook}` shows the program.",
    )
