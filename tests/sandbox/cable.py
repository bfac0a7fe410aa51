"""Proof that a network namespace is freed: a cable between it and a namespace that outlives it."""

from __future__ import annotations

import json
import os
import subprocess

from tests.sandbox.family import until

__all__ = ["Witness"]


class Witness:
    """A namespace outside the sandbox, but of the same user, that holds the far ends of cables.

    The Linux kernel removes both ends of a cable when the namespace of one is freed, and not before.
    """

    def __init__(self, init: int) -> None:
        self._init = init
        mine = os.stat("/proc/self/ns/user").st_ino == os.stat(f"/proc/{init}/ns/user").st_ino
        # the sandbox's user namespace outlives the sandbox as long as this process is in it
        self._user = [] if mine else ["--user", "--preserve-credentials"]
        self._process = subprocess.Popen([*self._enter(init), "unshare", "--net", "sleep", "600"])
        ours = os.readlink("/proc/self/ns/net")
        until(lambda: os.readlink(f"{self._proc}/ns/net") != ours, "the witness has its namespace")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def _proc(self) -> str:
        return f"/proc/{self._process.pid}"

    def _enter(self, pid: int, *options: str) -> list[str]:
        return ["nsenter", "--target", str(pid), *self._user, *options, "--"]

    def plug_into(self, namespace: str, cable: str) -> None:
        """Lay a cable to the namespace behind this file."""
        inside = self._enter(self._init, f"--net={namespace}")
        add = ["ip", "link", "add", cable, "type", "veth", "peer", "name", cable, "netns", str(self.pid)]
        subprocess.run([*inside, *add], check=True)

    def cables(self) -> set[str]:
        """Those whose far end is still there."""
        show = [*self._enter(self.pid, "--net"), "ip", "-j", "link", "show", "type", "veth"]
        done = subprocess.run(show, check=True, capture_output=True, text=True)
        return {link["ifname"] for link in json.loads(done.stdout or "[]") if link}

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
