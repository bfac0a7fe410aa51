"""What the sandbox has of its own in the file system: /run, /sys, /proc, and writable layers over a few folders.

Everything is mounted in the sandbox's mount namespace and goes with it.  The files below stay as they are.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from labhelpers.sandbox.facts import read
from labhelpers.sandbox.syscalls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SHARED,
    MS_SLAVE,
    mount,
    umount,
)

__all__ = ["HOST_NAME", "OWN", "mark", "mount_all", "mount_proc"]

#: the sandbox's own folder; helpers look here to know that they are inside
OWN = Path("/run/pod-networking")
HOST_NAME = "sandbox"

_QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC
#: not taken over from the host's /run: names of the host's namespaces, and a lock that only its root may open
_NOT_FROM_HOST = frozenset({"netns", "xtables.lock", OWN.name})
_RESOLV_CONF = (
    "# No DNS server is reachable from here, and waiting for one would cost seconds a lookup.\n"
    "options timeout:1 attempts:1\n"
)


def mount_all() -> list[str]:
    """Mount everything but /proc, which needs a process of the new pid namespace.

    Returns:
        notes on what is less than it should be, for the learner.

    Raises:
        OSError: ``filename`` names the mount that was refused.
    """
    notes: list[str] = []
    # our mounts stay ours, and what the host unmounts goes here too
    mount("none", "/", flags=MS_REC | MS_SLAVE)
    _take_over("/run", _NOT_FROM_HOST, notes)
    (OWN / "kube").mkdir(parents=True)
    _share(Path("/run/netns"))
    hosts = f"{read('/etc/hosts')}\n127.0.1.1 {HOST_NAME}\n"
    _writable("/etc", notes, {"hosts": hosts, "resolv.conf": _RESOLV_CONF}, ("netns", "cni/net.d"))
    _writable("/var/lib", notes, {}, ("cni",))
    _writable("/opt", notes, {}, ("cni/bin",))
    for folder in map(os.path.expanduser, ("~/.kube", "~/.minikube")):
        if os.path.isdir(folder):
            _writable(folder, notes, {}, ())
    _mount_sys()
    return notes


def mark() -> None:
    """Say that the sandbox is complete, where helpers and ``pod-shell`` look."""
    (OWN / "sandbox").write_text(f"{os.stat('/proc/self/ns/net').st_ino}\n")


def _take_over(top: str, without: frozenset[str], notes: list[str]) -> None:
    """Put an empty file system over a folder and bind its old entries back, but those in ``without``."""
    old, names = os.open(top, os.O_PATH), sorted(os.listdir(top))
    mount("tmpfs", top, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for name in names:
        source, target = Path(f"/proc/self/fd/{old}", name), Path(top, name)
        try:
            if name in without:
                continue
            if source.is_symlink():
                target.symlink_to(os.readlink(source))
                continue
            if source.is_dir():
                target.mkdir()
            else:
                target.touch()
            mount(str(source), str(target), flags=MS_BIND | MS_REC)
        except OSError as error:
            notes.append(f"{target} is hidden: {error.strerror}")
    os.close(old)


def _share(folder: Path) -> None:
    """Make /run/netns what ``ip netns add`` would make it: a mount that others may follow."""
    folder.mkdir()
    mount(str(folder), str(folder), flags=MS_BIND)
    mount("none", str(folder), flags=MS_SHARED)


def _writable(top: str, notes: list[str], files: dict[str, str], folders: tuple[str, ...]) -> None:
    """Lay a writable layer over a folder, with these files and folders in it.

    Without real root only what is in the upper layer belongs to us and can be changed; hence what is put there first.
    """
    upper, work = OWN / "layers" / top.strip("/") / "upper", OWN / "layers" / top.strip("/") / "work"
    for folder in (work, upper, *(upper / one for one in folders)):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copymode(top, upper)
    for name, text in files.items():
        (upper / name).write_text(text)
    try:
        mount("overlay", top, "overlay", 0, f"lowerdir={top},upperdir={upper},workdir={work},userxattr")
        return
    except OSError:  # a container binds files into /etc, and an overlay would uncover what is below them
        pass
    try:
        _take_over(top, frozenset({*files, *(one.split("/")[0] for one in folders)}), notes)
        for one in folders:
            Path(top, one).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            Path(top, name).write_text(text)
    except OSError as error:
        notes.append(f"{top} is not writable: {error.strerror}")


def _mount_sys() -> None:
    """A sysfs that shows the sandbox's own interfaces.

    Over a container's read-only /sys the kernel allows only a read-only one.  That must not stay there: ``ip netns
    exec`` copes with a read-only /sys of others, not with one of ours.  So only its folders of interfaces stay.
    """
    try:
        mount("sysfs", "/sys", "sysfs", _QUIET)
        return
    except OSError:
        pass
    folders = filter(os.path.isdir, ("/sys/class/net", "/sys/devices/virtual/net"))
    below = {folder: os.open(folder, os.O_PATH) for folder in folders}
    # refused if the machine hides parts of /sys, and much would fail later
    mount("sysfs", "/sys", "sysfs", _QUIET | MS_RDONLY)
    for folder, fd in below.items():
        mount(folder, f"/proc/self/fd/{fd}", flags=MS_BIND)
        os.close(fd)
    umount("/sys")


def mount_proc() -> None:
    """Mount /proc for the new pid namespace; for real root make all settings but ``net`` read-only.

    The settings of a network namespace are its own.  The others are the machine's, and real root could change them.
    """
    mount("proc", "/proc", "proc", _QUIET)
    if os.access("/proc/sys/kernel/panic", os.W_OK):
        net = os.open("/proc/sys/net", os.O_PATH)
        mount("/proc/sys", "/proc/sys", flags=MS_BIND)
        mount("none", "/proc/sys", flags=MS_REMOUNT | MS_BIND | MS_RDONLY | _QUIET)
        mount(f"/proc/self/fd/{net}", "/proc/sys/net", flags=MS_BIND)
        os.close(net)
    with suppress(OSError):  # a machine without this setting
        Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 0\n")
