"""What the verifier says, for people: the steps it took last, their lines of source, and what its reason means.

The verifier follows every way through a program and notes what each register can hold.  It refuses a program on the
first step that could go wrong.  Its log is long; the last few steps tell the story.

Source: Documentation/bpf/verifier.rst.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from labhelpers.errors import KernelRefused
from labhelpers.linux.bpf.elf import SourceLine
from labhelpers.linux.records import Rows

__all__ = ["Step", "Verdict", "VerifierRefused", "verdict"]

_STEPS = 6  # shown
_STEP = re.compile(r"^(?:from \d+ to )?(\d+): (\([0-9a-f]{2}\) .*?)(?:\s+;\s*(.*))?$")
#: the log's last lines that are no reason: statistics, register states, source lines
_NO_REASON = re.compile(
    r"^(processed \d+ insns|verification time|stack depth|;|from \d+ to|\d+: |(cur|old) state|R\d+(_w)?="
    r"|mark_precise|last_idx|regs=|$)"
)
_ADDRESS = re.compile(r"0xffff[0-9a-f]{12}\b")  # of something in the kernel
#: what the verifier's usual reasons mean, by a part of them; the first that fits
_MEANINGS = (
    (r"map_value_or_null|_or_null'", "A look-up may find nothing: compare its result with 0 before it is used."),
    (r"invalid access to packet", "The packet may be shorter: compare with data_end before this byte is read."),
    (r"invalid access to map value", "This is beyond the end of the map's value."),
    (r"infinite loop|back-edge", "It may never end: a loop needs a limit that the verifier can see."),
    (r"R0 !read_ok", "It ends without a verdict: set the value to return on every way."),
    (r"!read_ok", "A register is read that nothing was written to."),
    (
        r"invalid (indirect )?(read|access) (from|to) stack|invalid read from stack|uninit",
        "Memory is read that nothing was written to.",
    ),
    (r"pointer .* prohibited|arithmetic", "This arithmetic with a pointer is not allowed: it could lead anywhere."),
    (r"too large|too many|processed .* limit|complexity", "There are more ways through it than the verifier follows."),
    (r"invalid mem access 'scalar'|invalid mem access 'inv'", "A number is used as an address."),
    (r"unknown func", "This kernel has no such helper function, or not for programs of this type."),
    (r"leak|Unreleased reference", "What was reserved must be given back on every way."),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction as the verifier saw it."""

    #: its number in the program
    number: int
    instruction: str
    #: what the verifier knows about the registers then
    registers: str
    line: int
    #: the line of the source that it comes from
    source: str
    #: the header that it is in; ``""`` for the program's own file
    header: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a program was refused."""

    #: in the verifier's words
    reason: str
    #: in other words, ``""`` if the reason is an unusual one
    meaning: str
    #: the last ones before it was refused
    steps: Rows[Step]


class VerifierRefused(KernelRefused):
    """The verifier found a way through the program on which something can go wrong.  Nothing was loaded."""

    def __init__(self, program: str, verdict: Verdict, log: str, *, errno: int | None = None) -> None:
        self.verdict, self.log = verdict, log
        last = verdict.steps[-1] if verdict.steps else None
        of = f" of {last.header}" if last and last.header else ""
        where = f" at line {last.line}{of}, `{last.source}`" if last and last.source else ""
        super().__init__(
            f"The verifier refused the eBPF program {program}{where}: {verdict.reason}.",
            verdict.meaning or "The steps before it are in this error's verdict.steps, all of them in its log.",
            errno=errno,
        )


def verdict(log: str, lines: Mapping[int, SourceLine]) -> Verdict:
    """Find what matters in the verifier's log.  Touches no kernel.

    Args:
        lines: of the source, by the number of the instruction where each begins.
    """
    steps: list[Step] = []
    reasons: list[tuple[str, str]] = []
    for text in log.splitlines():
        found = _STEP.match(text)
        if found:
            number = int(found[1])
            line = lines.get(max((start for start in lines if start <= number), default=-1), SourceLine(0, ""))
            instruction = _ADDRESS.sub("a map", found[2].strip())
            steps.append(Step(number, instruction, (found[3] or "").strip(), line.number, line.text, line.header))
        elif not _NO_REASON.match(text):
            reasons.append((text.strip(), _meaning(text)))
    # it may say the same in two ways: the first that can be said in other words
    reason, meaning = next((one for one in reasons if one[1]), reasons[-1] if reasons else ("it gives no reason", ""))
    return Verdict(reason, meaning, Rows(steps[-_STEPS:], "The verifier's last steps"))


def _meaning(reason: str) -> str:
    return next((words for pattern, words in _MEANINGS if re.search(pattern, reason)), "")
