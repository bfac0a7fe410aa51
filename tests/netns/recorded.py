"""What a real control plane answered to kubectl: transcripts, and what of an answer is chance."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Step", "answer_of", "normalised", "transcript"]

_PATIENCE = 60.0
#: What differs between two runs on the very same cluster, and what stands for it.  In this order.
_RULES = tuple(
    (re.compile(pattern, re.MULTILINE), becomes)
    for pattern, becomes in (
        # a terminal's colours and line ends
        (r"\x1b\[[\d;]*m|\r$", ""),
        # what kubectl says of itself, one version so and another so; and how far a rollout is when it happens to look
        (r"^(Waiting for deployment |WARNING: version difference ).*\n", ""),
        (r"^E\d{4} .* v[23]\.go:\d+\] .*websocket: close sent.*\n", ""),
        (r"(?<= annotate)d$", ""),
        (r"(?<= deleted) from \S+ namespace$", ""),
        (r"(\bkubelet +)spec\.(?:initC|c)ontainers\{\S+\}: ", r"\1"),
        (r"(?<=\"\))\.$", ""),
        # times
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r"\b\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\b", "TIME"),
        (r"\b\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", "TIME"),
        # ages, and how long something took; not the 300s that a toleration says
        (r"(?<!for )(?<![\w.])(\d+h)?(\d+m)?\d+(\.\d+)?(ms|s|m)(?![\w.])", "AGE"),
        # how often something that ends has been started when it is looked at
        (r"(?<=CrashLoopBackOff)( +)[1-9]\d*\b", r"\1N"),
        # addresses, ports, interface numbers
        (r"\b(?!00:00|ff:ff)([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
        (r"\bfe80::[0-9a-f:]+", "LINKLOCAL"),
        (r"\b(?!127\.)\d{1,3}(\.\d{1,3}){3}\b", "IP"),
        (r"\b127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\beth0@if\d+\b", "eth0@ifN"),
        # names that are drawn: replica sets, pods, events, namespaces, tokens; and pids
        (r"\b(web-)[0-9a-z]{8,10}-[0-9a-z]{5}\b", r"\1HASH-RANDOM"),
        (r"\b(web-|pod-template-hash=)[0-9a-z]{8,10}\b", r"\1HASH"),
        (r"(event/[a-z0-9-]+)\.[0-9a-f]{16}\b", r"\1.RANDOM"),
        (r"\bcni-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "cni-UUID"),
        (r"\b(default-token)-[0-9a-z]{5}\b", r"\1-RANDOM"),
        (r"(?<=worker process )\d+", "PID"),
        # which of the packages that have a program is installed, and in which version
        (r"\b(nginx|busybox)(-\w+)? \d[^ ,]*", r"\1 VERSION"),
        # which of two equal nodes a pod comes to
        (r"(?<=IP)( +)node[12]\b", r"\1NODE"),
        (r"(assigned \S+ to )node[12]\b", r"\1NODE"),
        # columns are as wide as what is in them
        (r" +$", ""),
        (r" {2,}(?=\S)", "  "),
    )
)


@dataclass(frozen=True)
class Step:
    """One command of a transcript, what the real one answered, and what this cluster is known to answer instead."""

    command: str
    recorded: str
    why: str = ""
    ours: str = ""

    @property
    def expected(self) -> str:
        return self.ours if self.why else self.recorded

    @property
    def only_looks(self) -> bool:
        """May it be asked again until what it waits for has come?"""
        return self.command.startswith(("kubectl get", "kubectl logs", "kubectl describe"))


def normalised(answer: str) -> str:
    """Without what is chance."""
    for pattern, becomes in _RULES:
        answer = pattern.sub(becomes, answer)
    return answer.rstrip("\n")


def transcript(path: Path) -> list[Step]:
    """``$ command``, the answer, and where ours is another: ``! why`` and ours."""
    steps = []
    for block in re.split(r"^\$ ", path.read_text(), flags=re.MULTILINE)[1:]:
        command, _, answer = block.partition("\n")
        recorded, _, other = answer.partition("\n! ") if not answer.startswith("! ") else ("", "", answer[2:])
        why, _, ours = other.partition("\n")
        steps.append(Step(command, normalised(recorded), why, normalised(ours)))
    return steps


def answer_of(step: Step, folder: Path) -> str:
    """Run it, once.  The status is told where it was recorded."""
    done = subprocess.run(
        ["bash", "-c", step.command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # as it was recorded
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    # a terminal shows the end of input so, wherever it comes, and also as the last thing behind the last line's end
    said = done.stdout.replace("^@", "")
    if "[rc " in step.recorded:
        said += f"{'' if not said or said.endswith(chr(10)) else chr(10)}[rc {done.returncode}]\n"
    return normalised(said)
