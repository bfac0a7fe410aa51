"""Running a command as an ordinary user, when the tests themselves were started by root."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from pathlib import Path

__all__ = ["UID", "as_nobody", "uncovered"]

UID = 65534
_TUN = Path("/dev/net/tun")


def as_nobody(clone: Path, scratch: Path) -> list[str]:
    """The prefix that runs a command as uid 65534, which has no privilege; ``scratch`` becomes its folder.

    What lies in a closed folder, typically /root, is shown at its own path in a private mount namespace: an
    empty open folder lies over the closed one there, with only what is needed in it.  There, too, anybody may open
    the TUN device, as udev arranges it on most machines; one without udev keeps it for root.
    """
    os.chown(scratch, UID, UID)
    drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--"]
    lines = [*uncovered(clone, Path(sys.base_prefix), scratch), *(_open_tun() if _closed(_TUN) else [])]
    if not lines:
        return drop
    script = "\n".join([*lines, f"cd {_q(Path.cwd())}", 'exec "$@"'])
    return ["unshare", "--mount", "sh", "-ec", script, "sh", *drop]


def uncovered(*needed: Path) -> list[str]:
    """What a shell in a private mount namespace runs so that everybody can reach these folders there."""
    hidden = {path: lid for path in needed if (lid := _closed_folder(path))}
    return _uncover(hidden) if hidden else []


def _closed(device: Path) -> bool:
    return device.is_char_device() and not device.stat().st_mode & stat.S_IWOTH


def _open_tun() -> list[str]:
    major, minor = os.major(_TUN.stat().st_rdev), os.minor(_TUN.stat().st_rdev)
    return [f"mount -t tmpfs -o mode=755 tmpfs {_TUN.parent}", f"mknod -m 666 {_TUN} c {major} {minor}"]


def _closed_folder(path: Path) -> Path | None:
    """The outermost folder on the way to ``path`` that other users may not enter."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def _uncover(hidden: dict[Path, Path]) -> list[str]:
    kept = {path: f"/mnt/{number}" for number, path in enumerate(hidden)}
    lines = ["mount -t tmpfs -o mode=755 tmpfs /mnt"]
    lines += [f"mkdir {copy}; mount --bind {_q(path)} {copy}" for path, copy in kept.items()]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {_q(lid)}" for lid in sorted(set(hidden.values()))]
    lines += [f"mkdir -p {_q(path)}; mount --bind {copy} {_q(path)}" for path, copy in kept.items()]
    return lines


def _q(path: Path) -> str:
    return shlex.quote(str(path))
