"""``pod-shell``: a terminal inside a running sandbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from labhelpers.sandbox.mounts import OWN

__all__ = ["main", "running"]


def running() -> list[int]:
    """Process ids, seen from here, of the init of every sandbox this user may enter."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and _is_init(entry)
                and (entry / "root" / OWN.relative_to("/") / "sandbox").is_file()
            ):
                found.append(int(entry.name))
        except OSError:  # it ended, or belongs to somebody else
            continue
    return sorted(found)


def _is_init(process: Path) -> bool:
    if b"labhelpers.sandbox" not in (process / "cmdline").read_bytes():
        return False
    numbers = _status(process, "NSpid")
    return len(numbers) > 1 and numbers[-1] == "1"


def _status(process: Path, field: str) -> list[str]:
    lines = (process / "status").read_text().splitlines()
    return next((line.split()[1:] for line in lines if line.startswith(f"{field}:")), [])


def main() -> NoReturn:
    """Open a shell, or run the command given, in a running sandbox; ask which if there are several."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["-h"], ["--help"]):
        print("usage: pod-shell [COMMAND …]     a terminal inside the sandbox of a running notebook")
        sys.exit(0)
    pid = _choose(running())
    try:
        user = [] if _same_users(pid) else ["--user", "--preserve-credentials"]
        enter = ["nsenter", "--target", str(pid), *user, "--net", "--mount", "--pid", "--uts", "--ipc", "--"]
        begin = [sys.executable, "-m", "labhelpers.sandbox.enter", os.getcwd()]
        _become_owner(pid)
        os.execvp(enter[0], [*enter, *begin, *(arguments or ["bash"])])
    except FileNotFoundError:
        if not os.path.exists(f"/proc/{pid}"):
            sys.exit("That sandbox has just ended. Run pod-shell again.")
        sys.exit("pod-shell needs the program nsenter: sudo apt-get install util-linux")


def _same_users(pid: int) -> bool:
    return os.stat(f"/proc/{pid}/ns/user").st_ino == os.stat("/proc/self/ns/user").st_ino


def _become_owner(pid: int) -> None:
    """An administrator enters as the one whose sandbox it is: nobody else exists inside."""
    process = Path(f"/proc/{pid}")
    owner, group = int(_status(process, "Uid")[1]), int(_status(process, "Gid")[1])
    if owner != os.geteuid():
        os.setgroups([])
        os.setgid(group)
        os.setuid(owner)


def _choose(pids: list[int]) -> int:
    if not pids:
        sys.exit("No sandbox is running. Open a chapter with the kernel 'Pod networking (sandbox)' first.")
    if len(pids) == 1:
        return pids[0]
    for number, pid in enumerate(pids, 1):
        print(f"{number}: {_describe(Path(f'/proc/{pid}'))}", file=sys.stderr)
    print("Which one? ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if not answer.isdecimal() or not 1 <= int(answer) <= len(pids):
        sys.exit(f"Type a number from 1 to {len(pids)}.")
    return pids[int(answer) - 1]


def _describe(process: Path) -> str:
    """The notebook, as far as its front end has told us, and what is in its network."""
    try:
        variables = (process / "environ").read_text(errors="replace").split("\0")
        names = sorted(os.listdir(process / "root/run/netns"))
    except OSError:
        return "has just ended"
    path = next(
        (value for name, _, value in (one.partition("=") for one in variables) if name == "JPY_SESSION_NAME"), ""
    )
    return f"{os.path.basename(path) or f'sandbox {process.name}'} ({', '.join(names[:6]) or 'no namespaces yet'})"


if __name__ == "__main__":
    main()
