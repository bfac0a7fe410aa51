"""Ask the machine: start the process that tries everything, and make the report of what it found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from labhelpers.course.catalogue import CHAPTERS
from labhelpers.doctor.machine import look
from labhelpers.doctor.probe import Outcome
from labhelpers.doctor.programs import PROGRAMS, look_up
from labhelpers.doctor.report import Report
from labhelpers.doctor.verdict import rows
from labhelpers.errors import BadInput, NotInSandbox
from labhelpers.linux.inside import require_sandbox
from labhelpers.sandbox.run import REFUSED

__all__ = ["ask"]

_PATIENCE = 30.0  # seconds; it takes a third of one, and a machine that loads modules perhaps two
_FOLDER = Path(__file__).parents[2]
_TRY = [sys.executable, "-m", "labhelpers.doctor.child"]
_SANDBOX = [sys.executable, "-m", "labhelpers.sandbox.run", "--"]
#: the sandbox adds these to the PATH; an ordinary user's may lack them
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def ask(chapter: str = "") -> Report:
    """Change nothing: see :func:`labhelpers.doctor.doctor`."""
    number = _number(chapter)
    machine = look()
    answer = _examine()
    if answer.refusal:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
        answer.outcomes.update({program.id: look_up(program, path) for program in PROGRAMS})
    found = rows(answer.outcomes, machine)
    notes = os.environ.get("POD_NETWORKING_SANDBOX_NOTES", "").splitlines() if _inside() else []
    return Report(
        rows=tuple(row for row in found if not number or number in row.chapters),
        machine=machine,
        chapter=number,
        refusal=answer.refusal,
        trouble=answer.trouble,
        notes=tuple(notes),
    )


@dataclass
class _Answer:
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    refusal: str = ""
    trouble: str = ""


def _number(chapter: str) -> str:
    if chapter == "":
        return ""
    known = [one.number for one in CHAPTERS]
    number = str(chapter).zfill(2)
    if number not in known:
        raise BadInput(
            f"There is no chapter {chapter!r}.", f'Write it like doctor("02"); there are {", ".join(known)}.'
        )
    return number


def _inside() -> bool:
    try:
        require_sandbox()
    except NotInSandbox:
        return False
    return True


def _examine() -> _Answer:
    """Run the trials in a process of their own, here if this is a sandbox, else in a new one."""
    command = _TRY if _inside() else _SANDBOX + _TRY
    # the folder of this package is where -m looks first: not the notebook's, which may hold a json.py
    child = subprocess.Popen(
        command,
        cwd=_FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with child:
        try:
            said, complained = child.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            _end(child)
            said, _ = child.communicate()
            return _Answer(_outcomes(said), trouble=f"the trials were ended, as they took over {_PATIENCE:g} seconds.")
        except BaseException:  # an interrupt
            _end(child)
            raise
    outcomes, last_words = _outcomes(said), complained.strip()
    if child.returncode == REFUSED:
        return _Answer(refusal=last_words)
    if child.returncode:
        words = last_words.splitlines() or [f"exit status {child.returncode}"]
        return _Answer(outcomes, trouble=f"the trials ended early ({words[-1]}).")
    return _Answer(outcomes)


def _end(child: subprocess.Popen[str]) -> None:
    """End it with the children it may have: they hold the other end of our pipes."""
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _outcomes(text: str) -> dict[str, Outcome]:
    """The lines that are whole: a process that was ended may leave half a line."""
    answers = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return {answer.pop("id"): Outcome(**answer) for answer in answers}
