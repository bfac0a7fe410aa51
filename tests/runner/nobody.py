"""Running a command as an ordinary user, when the tests themselves were started by root."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from pathlib import Path

__all__ = ["UID", "as_nobody"]

UID = 65534


def as_nobody(clone: Path, scratch: Path) -> list[str]:
    """The prefix that runs a command as uid 65534, which has no privilege; ``scratch`` becomes its folder.

    What lies in a closed folder, typically /root, is shown at its own path in a private mount namespace: an
    empty open folder lies over the closed one there, with only what is needed in it.
    """
    os.chown(scratch, UID, UID)
    drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--"]
    needed = (clone, Path(sys.base_prefix), scratch)
    hidden = {path: lid for path in needed if (lid := _closed_folder(path))}
    if not hidden:
        return drop
    return ["unshare", "--mount", "sh", "-ec", _uncover(hidden), "sh", *drop]


def _closed_folder(path: Path) -> Path | None:
    """The outermost folder on the way to ``path`` that other users may not enter."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def _uncover(hidden: dict[Path, Path]) -> str:
    kept = {path: f"/mnt/{number}" for number, path in enumerate(hidden)}
    lines = ["mount -t tmpfs -o mode=755 tmpfs /mnt"]
    lines += [f"mkdir {copy}; mount --bind {_q(path)} {copy}" for path, copy in kept.items()]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {_q(lid)}" for lid in sorted(set(hidden.values()))]
    lines += [f"mkdir -p {_q(path)}; mount --bind {copy} {_q(path)}" for path, copy in kept.items()]
    lines += [f"cd {_q(Path.cwd())}", 'exec "$@"']
    return "\n".join(lines)


def _q(path: Path) -> str:
    return shlex.quote(str(path))
