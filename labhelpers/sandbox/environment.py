"""The surroundings of what runs in a sandbox: variables, signals, and the one user id."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import NoReturn

from labhelpers.sandbox.facts import read
from labhelpers.sandbox.mounts import OWN
from labhelpers.sandbox.setids import pretend_to_set_ids

__all__ = ["become", "search_programs", "settle_in"]

_NOT_STARTED = 127
#: commands that mean the sandbox's own cluster, before others of the same name: ``minikube``
_COMMANDS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cluster", "bin")


def settle_in() -> list[str]:
    """Change this process, which has just come into the sandbox, so that programs find what they need.

    Returns:
        notes on what is less than it should be, for the learner.
    """
    search_programs()
    os.environ["PATH"] = f"{_COMMANDS}:{os.environ['PATH']}"
    own = str(OWN / "kube")
    os.environ.update(KUBECONFIG=f"{own}/config", KUBECACHEDIR=f"{own}/cache", MINIKUBE_HOME=own)
    if read("/proc/self/uid_map").split()[2:] == ["1"] and not pretend_to_set_ids():
        return ["programs that drop privileges, such as tcpdump, will fail"]
    return []


def search_programs() -> None:
    """Put this Python's programs first on the PATH, and last those of the administrator, such as ``nft``."""
    here = os.path.dirname(sys.executable)
    path = os.environ.get("PATH", "/usr/bin:/bin")
    os.environ["PATH"] = ":".join([here, path, "/usr/local/sbin", "/usr/sbin", "/sbin"])


def become(command: list[str]) -> NoReturn:
    """Replace this process with the command; exit with 127 if it cannot be started."""
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and a new program would inherit that
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        # a folder of the PATH that may not be read makes the system say "Permission denied" of what is nowhere
        is_there = shutil.which(command[0], os.F_OK)
        print(f"{command[0]}: {error.strerror if is_there else 'command not found'}", file=sys.stderr, flush=True)
        os._exit(_NOT_STARTED)
