"""Modules of the kernel: is one there, and what brings it?"""

from __future__ import annotations

import os
from pathlib import Path

from labhelpers.doctor.machine import Machine

__all__ = ["advice", "waits_for_first_use"]


def waits_for_first_use(module: str, machine: Machine, root: Path = Path("/")) -> bool:
    """Is the module not loaded, so that a trial might load it?

    A kernel's own parts that have parameters are listed beside the loaded modules, as the modules asked for here are.
    """
    if not machine.modular or (root / "sys/module" / _underscores(module)).exists():
        return False
    there = _on_disk(root, machine)
    return there is None or _underscores(module) in there


def advice(module: str, machine: Machine, root: Path = Path("/")) -> str:
    """What to do where the kernel does not know what this module brings, ``""`` if nothing can be done."""
    if not module or not machine.modular:
        return ""
    if _underscores(module) in (_on_disk(root, machine) or ()):
        return f"sudo modprobe {module}"
    if machine.container:
        return f"on the machine around {machine.container}: sudo modprobe {module}"
    if "ubuntu" in machine.family:
        return f"sudo apt-get install linux-modules-extra-{machine.kernel}"
    return ""


def _on_disk(root: Path, machine: Machine) -> set[str] | None:
    """The modules that can be loaded, ``None`` where their folder cannot be seen, as in a container."""
    try:
        lines = (root / "lib/modules" / machine.kernel / "modules.dep").read_text().splitlines()
    except OSError:
        return None
    # each line begins with the path of one module
    return {_underscores(os.path.basename(line.partition(":")[0]).partition(".ko")[0]) for line in lines}


def _underscores(module: str) -> str:
    return module.replace("-", "_")
