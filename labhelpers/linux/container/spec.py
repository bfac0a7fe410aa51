"""What is to be started, in the words of the runtime specification where it has them.

Paths are those of the node, unless it says otherwise.

Source: https://github.com/opencontainers/runtime-spec/blob/main/config.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

__all__ = ["ContainerSpec", "ExecSpec", "Mount", "SandboxSpec", "Spec", "Who", "spec_from_json", "spec_to_json"]


@dataclass(frozen=True)
class Who:
    """As whom a program runs."""

    uid: int = 0
    gid: int = 0
    #: what it may get of root's powers; ``None`` leaves all (a privileged container)
    capabilities: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Mount:
    """A file or folder of the node that a container sees."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class SandboxSpec:
    """A pod's sandbox: a process that sleeps and keeps the namespaces that the pod's containers share."""

    kind: ClassVar[str] = "sandbox"
    #: the process that keeps the node's namespaces
    node: int
    #: the path of the pod's network namespace; ``""`` for the node's own network and hostname
    netns: str
    hostname: str


@dataclass(frozen=True)
class ContainerSpec:
    """A container in a sandbox."""

    kind: ClassVar[str] = "container"
    node: int
    #: the process of its sandbox
    sandbox: int
    #: the folder of its image, which stays as it is; ``/`` for the node's own root, as an agent of the node has it
    image: str
    #: an empty folder for what the container changes
    scratch: str
    args: tuple[str, ...]
    #: the file its output is written to, as the sandbox of the notebook sees it
    log: str
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    who: Who = field(default_factory=Who)
    mounts: tuple[Mount, ...] = ()
    read_only: bool = False
    #: keep its input open, for somebody who attaches
    stdin: bool = False
    tty: bool = False


@dataclass(frozen=True)
class ExecSpec:
    """A program in a container that runs."""

    kind: ClassVar[str] = "exec"
    #: the container's process
    container: int
    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    who: Who = field(default_factory=Who)
    tty: bool = False


Spec = SandboxSpec | ContainerSpec | ExecSpec


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """As a JSON object."""
    return {"kind": spec.kind, **asdict(spec)}


def spec_from_json(data: dict[str, Any]) -> Spec:
    """Back from JSON."""
    kind = data.pop("kind")
    if kind == SandboxSpec.kind:
        return SandboxSpec(**data)
    who = data.pop("who")
    capabilities = who["capabilities"]
    data["who"] = Who(who["uid"], who["gid"], None if capabilities is None else tuple(capabilities))
    data["args"] = tuple(data["args"])
    if kind == ExecSpec.kind:
        return ExecSpec(**data)
    data["mounts"] = tuple(Mount(**one) for one in data["mounts"])
    return ContainerSpec(**data)
