"""A container's root file system, made in its own new mount namespace.

What the image has stays as it is: an overlay keeps what the container changes in its scratch folder, or, where the
machine refuses overlays, the container gets a copy.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from labhelpers.linux import libc, users
from labhelpers.linux.container.spec import Mount

__all__ = ["enter", "mount_root"]

_QUIET = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}


def mount_root(image: str, scratch: str) -> str:
    """Mount the root file system below the scratch folder.  Returns its path.

    Shell: ``mount -t overlay overlay -o lowerdir=IMAGE,upperdir=SCRATCH/upper,workdir=SCRATCH/work SCRATCH/root``.
    """
    root, upper, work = (os.path.join(scratch, name) for name in ("root", "upper", "work"))
    for folder in (root, upper, work):
        os.makedirs(folder, exist_ok=True)
    options = f"lowerdir={image},upperdir={upper},workdir={work}{_attributes()}"
    try:
        libc.mount("overlay", root, "overlay", options=options)
    except OSError:
        shutil.copytree(image, root, symlinks=True, dirs_exist_ok=True)
        libc.mount(root, root, flags=libc.MS_BIND)
    return root


def _attributes() -> str:
    """Without real root, an overlay keeps its notes in attributes that a user may write."""
    return "" if users.has_all() else ",userxattr"


def enter(root: str, mounts: Iterable[Mount], *, privileged: bool, read_only: bool) -> None:
    """Add /proc, /dev, /sys and the mounts, and make it the root.  Runs in the new mount and pid namespaces.

    Shell: ``mount -t proc proc ROOT/proc``, …, ``pivot_root ROOT ROOT``.
    """
    for folder in ("proc", "dev", "sys"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    _devices(f"{root}/dev")
    _system(root, privileged)
    for one in mounts:
        _bind(one, root)
    if read_only:
        libc.mount("", root, flags=libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY)
    # the old root is put over the new one and then taken away: no folder is needed for it (man 2 pivot_root)
    os.chdir(root)
    libc.pivot_root(".", ".")
    libc.umount(".", libc.MNT_DETACH)
    os.chdir("/")


def _devices(folder: str) -> None:
    libc.mount("tmpfs", folder, "tmpfs", libc.MS_NOSUID, "mode=755,size=64k")
    for name in _DEVICES:
        Path(folder, name).touch()
        libc.mount(f"/dev/{name}", f"{folder}/{name}", flags=libc.MS_BIND)
    for name, target in _LINKS.items():
        os.symlink(target, f"{folder}/{name}")
    for name in ("pts", "shm"):
        os.mkdir(f"{folder}/{name}")
    with suppress(OSError):
        libc.mount("devpts", f"{folder}/pts", "devpts", libc.MS_NOSUID | libc.MS_NOEXEC, "newinstance,ptmxmode=0666")
    libc.mount("tmpfs", f"{folder}/shm", "tmpfs", _QUIET, "mode=1777,size=64m")


def _system(root: str, privileged: bool) -> None:
    """The container's own processes, and the interfaces of its own network; settings only to be read."""
    libc.mount("proc", f"{root}/proc", "proc", _QUIET)
    with suppress(OSError):  # a container around the notebook may lock /sys: then there is none
        libc.mount("sysfs", f"{root}/sys", "sysfs", _QUIET | (0 if privileged else libc.MS_RDONLY))
    if not privileged:
        settings = f"{root}/proc/sys"
        libc.mount(settings, settings, flags=libc.MS_BIND)
        libc.mount("", settings, flags=libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY | _QUIET)


def _bind(one: Mount, root: str) -> None:
    target = _inside(root, one.target)
    if os.path.isdir(one.source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    libc.mount(one.source, target, flags=libc.MS_BIND | libc.MS_REC)
    if one.read_only:
        libc.mount("", target, flags=libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV)


def _inside(root: str, path: str) -> str:
    """The path below the root, with links followed as the container would: none leads out of it."""
    real = root
    parts = [part for part in reversed(path.split("/")) if part]
    for _ in range(1000):
        if not parts:
            return real
        part = parts.pop()
        if part == "..":
            real = os.path.dirname(real) if real != root else root
        elif part != ".":
            candidate = f"{real}/{part}"
            if os.path.islink(candidate):
                target = os.readlink(candidate)
                real = root if target.startswith("/") else real
                parts += [piece for piece in reversed(target.split("/")) if piece]
            else:
                real = candidate
    raise OSError(40, "too many levels of symbolic links", path)
