"""The same network made in other ways: ``ip`` commands, CNI plugins, Mininet."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks._measure import Unmeasured
from benchmarks._sandbox import fresh_node, pod_names
from labhelpers.lab import Node
from labhelpers.lab.journal import journal

__all__ = ["cni", "ip_commands", "ip_script", "mininet"]

_HERE = Path(__file__).parent
_PLUGIN_FOLDERS = ("/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin")
_SYSTEM_PYTHON = "/usr/bin/python3"  # apt installs Mininet for this one


def ip_script(count: int) -> str:
    """The commands that ``lab.commands()`` shows for so many pods."""
    node = fresh_node()
    mark = journal.mark()
    node.pods(pod_names(count))
    return str(journal.since(mark))


def ip_commands(script: str) -> None:
    """Run these commands, a process each, as a shell does."""
    subprocess.run(["sh", "-e"], input=script, text=True, check=True)


def cni(node: Node, count: int) -> float:
    """Give namespaces on this node a network with the reference plugins; returns seconds."""
    for folder in _PLUGIN_FOLDERS:
        if Path(folder, "host-local").exists():
            return _on_node(node, sys.executable, "_cni.py", str(count), folder)
    raise Unmeasured("no reference CNI plugins here: apt-get install containernetworking-plugins")


def mininet(node: Node, count: int) -> float:
    """Let Mininet make hosts and a switch on this node; returns seconds."""
    if not shutil.which("mnexec") or not shutil.which("brctl"):
        raise Unmeasured("no Mininet here: apt-get install mininet bridge-utils")
    return _on_node(node, _SYSTEM_PYTHON, "_mininet.py", str(count))


def _on_node(node: Node, python: str, script: str, *arguments: str) -> float:
    done = node.run([python, str(_HERE / script), *arguments], timeout=600)
    if not done.ok:
        raise Unmeasured(str(done).replace("\n", " "))
    return float(done.stdout)
