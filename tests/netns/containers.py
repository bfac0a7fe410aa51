"""A node with a shim and a root file system of one program, for the tests of containers."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labhelpers.lab import Lab, Node
from labhelpers.linux import node_names
from labhelpers.linux.container.capabilities import DEFAULT
from labhelpers.linux.container.node_folders import show
from labhelpers.linux.container.shim import Running, Shim
from labhelpers.linux.container.spec import ContainerSpec, ExecSpec, SandboxSpec, Who

__all__ = ["Stage", "stage"]

_IMAGES = Path("/run/pod-networking/test-images")
_ON_NODE = "/run/test-containers"
_BUSYBOX = "/bin/busybox"
ORDINARY = Who(0, 0, DEFAULT)
PATH = {"PATH": "/bin"}


@dataclass
class Stage:
    """A node with one sandbox; ``container`` and ``exec`` start something in it."""

    node: Node
    shim: Shim
    sandbox: Running
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def container(self, *args: str, **options: Any) -> tuple[Running, Path]:
        """A container and the file its log goes to."""
        name = f"c{next(self.numbers)}"
        log = Path(f"{self.node.root}{_ON_NODE}/logs/{name}.log")
        os.makedirs(f"{self.node.root}{_ON_NODE}/{name}")
        given = {"env": PATH, "who": ORDINARY, "log": str(log), "scratch": f"{_ON_NODE}/{name}", **options}
        image = f"{_ON_NODE}/images/busybox"
        return self.shim.start(ContainerSpec(self.node.pid, self.sandbox.pid, image, args=args, **given)), log

    def say(self, *args: str, **options: Any) -> str:
        """What the log of a container says that has ended, without its times."""
        running, log = self.container(*args, **options)
        running.ended.result(10)
        return "\n".join(line.split(" ", 1)[1] for line in log.read_text().splitlines())

    def exec(
        self, inside: Running, *args: str, input: bytes = b"", env: Mapping[str, str] = PATH, who: Who = ORDINARY
    ) -> tuple[int, bytes, bytes]:
        """Exit status, output and error output of a program in a container."""
        pipes = [os.pipe() for _ in range(3)]
        (stdin, feed), (out, to_out), (err, to_err) = pipes
        try:
            running = self.shim.start(ExecSpec(inside.pid, args, env, who=who), [stdin, to_out, to_err])
        except BaseException:
            for fd in (feed, out, err):
                os.close(fd)
            raise
        finally:
            for fd in (stdin, to_out, to_err):
                os.close(fd)
        os.write(feed, input)
        os.close(feed)
        said = [b"".join(iter(lambda fd=fd: os.read(fd, 65536), b"")) for fd in (out, err)]  # type: ignore[misc]
        os.close(out)
        os.close(err)
        return running.ended.result(10).status, said[0], said[1]


@contextmanager
def stage() -> Iterator[Stage]:
    """Set one up, and take it away again."""
    _make_image()
    with Lab() as lab, Shim() as shim:
        node = lab.node("node-1")
        show(node.pid, str(_IMAGES), f"{_ON_NODE}/images")
        netns = node_names.create(node.pid, "cni-web")
        sandbox = shim.start(SandboxSpec(node.pid, netns.path, "web"))
        yield Stage(node, shim, sandbox)
        shim.kill(sandbox)


def _make_image() -> None:
    root = _IMAGES / "busybox"
    if root.exists():
        return
    (root / "bin").mkdir(parents=True)
    (root / "etc").mkdir()
    shutil.copy2(_BUSYBOX, root / "bin/busybox")
    names = subprocess.run([_BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in set(names) - {"busybox"}:
        (root / "bin" / name).symlink_to("busybox")
