"""Programs to learn the verifier from: one that is right, and some with one mistake each; ``bpf/lessons.bpf.c``."""

from __future__ import annotations

from pathlib import Path

from labhelpers.errors import BadInput
from labhelpers.linux.bpf import elf, program
from labhelpers.linux.bpf.maps import Map

__all__ = ["LESSONS", "source_of", "verify"]

_FOLDER = Path(__file__).parent.parent / "bpf"
#: their names, the right one first
LESSONS = ("counts", "too_far", "unchecked", "endless")


def verify(name: str) -> None:
    """Give a program to the kernel's verifier, and remove it again if it was accepted.  It never meets a packet.

    Args:
        name: one of ``LESSONS``.

    Raises:
        VerifierRefused: as most lessons are there for; its ``verdict`` has the reason and the steps before it.
        NeedsPrivilege: eBPF is for real root.

    Shell: ``bpftool prog load lessons.bpf.o /sys/fs/bpf/…``.
    """
    code = elf.read((_FOLDER / "lessons.bpf.o").read_bytes())
    maps = {one: Map.create(one, kind) for one, kind in code.maps.items()}
    try:
        program.load(code.programs[_known(name)], maps).close()
    finally:
        for one in maps.values():
            one.close()


def source_of(name: str) -> str:
    """A program as it is written, with the comment before it."""
    parts = (_FOLDER / "lessons.bpf.c").read_text().split("\n\n")
    return next(part for part in parts if f"PROGRAM int {_known(name)}(" in part)


def _known(name: str) -> str:
    if name not in LESSONS:
        raise BadInput(f"There is no lesson {name!r}.", f"There are {', '.join(LESSONS)}.")
    return name
