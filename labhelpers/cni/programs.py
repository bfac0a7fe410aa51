"""Where the plugins of a node are: programs in the folders of ``CNI_PATH``."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from labhelpers.errors import NeedsPrivilege, ToolMissing
from labhelpers.lab import Node

__all__ = ["PLUGIN_FOLDERS", "find", "install"]

#: where plugins are on a node
PLUGIN_FOLDERS = ("/opt/cni/bin",)
_OWN = Path(__file__).with_name("plugins")
_OF_DISTRIBUTIONS = ("/usr/lib/cni", "/usr/libexec/cni")
_PACKAGE = "containernetworking-plugins"
_REFERENCE = ("bandwidth", "bridge", "dhcp", "firewall", "host-device", "host-local", "ipvlan", "loopback", "macvlan",
              "portmap", "ptp", "sbr", "static", "tuning", "vlan", "vrf")  # fmt: skip
_LONGEST_FIRST_LINE = 255  # bytes, BINPRM_BUF_SIZE of Linux


def install(node: Node) -> None:
    """Put plugins where a node has them, into /opt/cni/bin: the course's own, and links to those that are installed.

    The folder is the sandbox's own.  The reference plugins are looked for where Debian and Fedora put them, and on
    ``CNI_PATH``.

    Raises:
        NeedsPrivilege: the folder cannot be written.

    Shell, on the node: ``ln -s … /opt/cni/bin/``.
    """
    folder = Path(f"{node.root}{PLUGIN_FOLDERS[0]}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for program in _programs_in(_OWN):
            if not (folder / program.name).exists():
                _install_own(program, folder)
        for place in (*_OF_DISTRIBUTIONS, *os.environ.get("CNI_PATH", "").split(os.pathsep)):
            for program in _programs_in(Path(place)):
                with suppress(FileExistsError):  # somebody put another there, or this one
                    (folder / program.name).symlink_to(program)
    except OSError as error:
        raise NeedsPrivilege(
            f"The plugins of the course could not be put into {PLUGIN_FOLDERS[0]}: {error.strerror}.", "Run doctor()."
        ) from None


def _programs_in(folder: Path) -> list[Path]:
    return (
        sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_absolute() and folder.is_dir() else []
    )


def _install_own(program: Path, folder: Path) -> None:
    """A copy with this Python and the program's place written in, as pip installs scripts.

    The program itself looks both up each time it is started, which is a millisecond of the twenty that ADD takes.
    """
    first_line = f"#!{sys.executable} -IS"
    _, rest = program.read_text(encoding="utf-8").split("\n", 1)
    text = f"{first_line}\n{rest.replace('os.path.realpath(__file__)', repr(str(program)))}"
    if len(first_line.encode()) > _LONGEST_FIRST_LINE:
        with suppress(FileExistsError):
            (folder / program.name).symlink_to(program)
        return
    draft = folder / f".{program.name}.{os.getpid()}"
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o755)
    draft.rename(folder / program.name)


def find(node: Node, name: str, folders: Iterable[str]) -> str:
    """The path of a plugin in the node: the first folder that has it.

    Raises:
        ToolMissing: no folder has a program of this name, or it cannot be executed.
    """
    folders = tuple(folders)
    for folder in folders:
        path = Path(f"{node.root}{folder}/{name}")
        if "/" not in name and path.is_file():
            if os.access(path, os.X_OK):
                return f"{folder}/{name}"
            raise ToolMissing(f"The plugin {folder}/{name} is not executable.", f"chmod +x {folder}/{name}")
    raise ToolMissing(
        f"There is no plugin {name!r} on CNI_PATH ({os.pathsep.join(folders)}).", _where_to_get(node, name, folders)
    )


def _where_to_get(node: Node, name: str, folders: Iterable[str]) -> str:
    if name in _REFERENCE:
        return f"It is in the package {_PACKAGE}: sudo apt-get install {_PACKAGE}"
    there = [program.name for folder in folders for program in _programs_in(Path(f"{node.root}{folder}"))]
    near = difflib.get_close_matches(name, there, n=1)
    return f"Did you mean {near[0]!r}?" if near else "Check its type. If it is yours, write it first."
