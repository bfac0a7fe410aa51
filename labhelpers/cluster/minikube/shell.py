"""``minikube ssh``: a shell on a node.

The shell reads its input byte by byte, as bash does where it cannot look ahead: in a script, the lines after
``minikube ssh`` are for the shell on the node, until ``exit``, and those after that for the shell outside.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from labhelpers.errors import ToolMissing
from labhelpers.lab import Node
from labhelpers.linux import process
from labhelpers.linux.enter import like_nsenter

__all__ = ["become_shell"]

_BIN = "/run/minikube/bin"
#: who comes by ``minikube ssh`` is root on a node already; a real sudo would ask for rights that no user here has
_SUDO = """\
#!/bin/bash
# The sudo of the course's nodes: you are root here already.
login=
while [ $# -gt 0 ]; do
    case $1 in
    --) shift; break ;;
    -i | -s | --login | --shell) login=1; shift ;;
    -u | -g | -C | -h | -p | --user | --group)
        case $1$2 in -uroot | --userroot) shift 2 ;; *) echo "sudo: there is only root here" >&2; exit 1 ;; esac ;;
    -[EHkKnSvbA] | --preserve-env | --preserve-env=* | --set-home | --non-interactive | --stdin) shift ;;
    -*) echo "sudo: option $1 is not known here" >&2; exit 1 ;;
    *=*) export "$1"; shift ;;
    *) break ;;
    esac
done
if [ $# -gt 0 ]; then exec "$@"; fi
if [ -n "$login" ]; then exec bash --norc; fi
echo "usage: sudo [-i] [-E] COMMAND" >&2
exit 1
"""


def become_shell(node: Node, command: Sequence[str]) -> NoReturn:
    """Become a shell in a node's namespaces; with a command, run it there as ssh does and end with its status.

    Raises:
        Vanished: the node has ended.
        ToolMissing: there is no bash.
    """
    process.arguments(["bash"])
    sudo = Path(f"{node.root}{_BIN}/sudo")
    if not sudo.exists():
        sudo.parent.mkdir(parents=True, exist_ok=True)
        sudo.write_text(_SUDO)
        sudo.chmod(0o755)
    sys.stdout.flush()
    like_nsenter(node._pid)
    os.chdir("/")
    environment = {
        **os.environ,
        "PATH": f"{_BIN}:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}",
        "PS1": r"\u@\h:\w\$ ",
    }
    # one argument or many: ssh sends them in one line to the shell over there
    args = ["bash", "--norc", *(["-c", " ".join(command)] if command else [])]
    try:
        os.execvpe("bash", args, environment)
    except OSError as error:
        raise ToolMissing(f"No bash could be started: {error.strerror}.", "Run doctor().") from None
