"""What machine is this?  Facts from files; they decide which advice fits."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Machine", "look"]

#: a file that is there, or an environment variable that is set, and what it says
_FILES = {".dockerenv": "Docker", "run/.containerenv": "Podman"}
_VARIABLES = {
    "CODESPACES": "Codespaces",
    "BINDER_SERVICE_HOST": "Binder",
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
    "container": "a container",
}


@dataclass(frozen=True)
class Machine:
    """The kernel, the distribution, who we are, and what is around us."""

    kernel: str = ""
    architecture: str = ""
    distribution: str = ""
    #: the distribution's own and related ids, such as ubuntu and debian
    family: tuple[str, ...] = ()
    #: root outside every user namespace
    root: bool = False
    #: the container's make, ``""`` on a machine of one's own
    container: str = ""
    #: the kernel can load modules
    modular: bool = False

    @property
    def debian(self) -> bool:
        """Does apt install packages here?"""
        return "debian" in self.family

    def __str__(self) -> str:
        return ", ".join(
            [
                f"Linux {self.kernel} on {self.architecture}",
                self.distribution or "an unknown distribution",
                "as root" if self.root else "as an ordinary user",
                f"inside {self.container}" if self.container else "not in a container",
            ]
        )


def look(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> Machine:
    """Change nothing: read what kind of machine this is.

    Args:
        root: where its files are.
        environment: its environment variables.
    """
    release = _assignments(_read(root / "etc/os-release") or _read(root / "usr/lib/os-release"))
    return Machine(
        kernel=platform.release(),
        architecture=platform.machine(),
        distribution=release.get("PRETTY_NAME", ""),
        family=tuple(f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()),
        root=_real_uid(_read(root / "proc/self/uid_map"), os.geteuid()) == 0,
        container=_container(root, environment),
        modular=(root / "proc/modules").exists(),
    )


def _container(root: Path, environment: Mapping[str, str]) -> str:
    if "microsoft" in platform.release().lower():
        return "WSL"
    for name, make in _VARIABLES.items():
        if environment.get(name):
            return make
    for name, make in _FILES.items():
        if (root / name).exists() and _looks_like_a_container(_read(root / "proc/self/mountinfo")):
            return make
    return ""


def _looks_like_a_container(mounts: str) -> bool:
    """A virtual machine made from a container's image has the file too.  A container has mounts to go with it."""
    lines = [line.split() for line in mounts.splitlines()]
    return any(
        words[4] in ("/etc/hostname", "/etc/resolv.conf")
        or (words[4] == "/" and words[words.index("-") + 1] == "overlay")
        for words in lines
    )


def _real_uid(uid_map: str, uid: int) -> int:
    """Who we are one user namespace further out: an ordinary user is root in its sandbox."""
    for line in uid_map.splitlines():
        inside, outside, count = map(int, line.split())
        if inside <= uid < inside + count:
            return outside + uid - inside
    return uid


def _assignments(text: str) -> dict[str, str]:
    """The lines of os-release(5): NAME=value, perhaps in quotes."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
