"""Put a root file system together: programs where the machine has them, and the libraries they are linked with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from labhelpers.cluster.images.catalogue import Recipe
from labhelpers.errors import ToolMissing

__all__ = ["assemble", "missing", "origin"]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHELL = "busybox"
_SHELL_PACKAGES = {_SHELL: ("busybox-static", "busybox")}
_FOLDERS = ("bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr/bin", "usr/sbin", "var/log")
_PASSWD = ("root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/nonexistent:/bin/false")
_GROUPS = ("root:x:0:", "nogroup:x:65534:")
_ELF = b"\x7fELF"


def missing(recipe: Recipe) -> dict[str, str]:
    """The programs that a recipe needs and this machine has not, each with the package that has it."""
    needs = {**_SHELL_PACKAGES, **recipe.needs}
    return {name: packages[0] for name, packages in needs.items() if _which(name) is None}


def origin(recipe: Recipe) -> str:
    """What it is made of: ``nginx-light 1.22.1-9``, or the path of a program that no package of dpkg brought."""
    programs = {**recipe.needs, **recipe.takes, **_SHELL_PACKAGES}
    there = {name: path for name in programs if (path := _which(name))}
    versions = _versions({package for name in there for package in programs[name]})
    made_of = []
    for name, path in there.items():
        package = next((one for one in programs[name] if one in versions), "")
        made_of.append(f"{package} {versions[package]}" if package else path)
    return ", ".join(dict.fromkeys(made_of))


def _versions(packages: Iterable[str]) -> dict[str, str]:
    """Those of the packages that are installed.  Where there is no dpkg, none is."""
    ask = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n", *sorted(packages)]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return {}
    lines = [line.split() for line in said.splitlines()]
    return {line[1]: line[2] for line in lines if line[0] == "installed" and len(line) == 3}


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{_PATH}:{os.environ.get('PATH', '')}")


def assemble(recipe: Recipe, root: Path) -> None:
    """Make the root file system in an empty folder.

    Raises:
        ToolMissing: a program it needs is not installed.
    """
    if absent := missing(recipe):
        raise ToolMissing(
            f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed.",
            f"Install outside the notebook: `sudo apt-get install {' '.join(absent.values())}`.",
        )
    for folder in (*_FOLDERS, *recipe.folders):
        (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "var/run").symlink_to("../run")
    programs = {name: path for name in (_SHELL, *recipe.needs, *recipe.takes) if (path := _which(name))}
    real = {name: os.path.realpath(path) for name, path in programs.items()}
    for path in dict.fromkeys((*real.values(), *_libraries(real.values()), *recipe.copies)):
        if os.path.isfile(path):
            _copy(path, root)
    for name, path in real.items():
        _link(root / f"usr/bin/{name.partition('.')[0]}", path)
    for place, target in recipe.links.items():
        _link(root / place.lstrip("/"), target)
    for applet in _applets(real[_SHELL]):
        _link(root / "bin" / applet, real[_SHELL])
    for name, text in recipe.files.items():
        file = root / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if text.startswith("#!") else 0o644)
    _users(root, recipe)


def _libraries(programs: Iterable[str]) -> list[str]:
    """What the programs are linked with, and what that is linked with."""
    elf = [path for path in programs if _begins_with(path, _ELF)]
    said = subprocess.run(["ldd", *elf], capture_output=True, text=True, check=False).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", said)))


def _begins_with(path: str, text: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(text)) == text


def _copy(path: str, root: Path) -> None:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)


def _link(place: Path, target: str) -> None:
    """A link, unless there is something of this name."""
    if not os.path.lexists(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)


def _applets(busybox: str) -> list[str]:
    done = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=False)
    return [name for name in done.stdout.split() if name != _SHELL]


def _users(root: Path, recipe: Recipe) -> None:
    (root / "etc/passwd").write_text("\n".join((*_PASSWD, *recipe.users)) + "\n")
    groups = [f"{name}:x:{gid}:" for name, _, _, gid, *_ in (line.split(":") for line in recipe.users)]
    (root / "etc/group").write_text("\n".join((*_GROUPS, *groups)) + "\n")
