"""Start one container in a pod's sandbox: its image, its configuration, the process."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labhelpers.cluster.events import NORMAL, WARNING
from labhelpers.cluster.images import CannotPull, Image, Shelf
from labhelpers.cluster.kubelet import places, volumes
from labhelpers.cluster.kubelet.environment import PATH, CannotConfigure, command, environment
from labhelpers.cluster.kubelet.etc import hostname_of
from labhelpers.cluster.kubelet.node_root import require_agent
from labhelpers.errors import BadInput, LabError
from labhelpers.lab import Node
from labhelpers.linux.container import capabilities
from labhelpers.linux.container.shim import CannotStart, Running, Shim
from labhelpers.linux.container.spec import ContainerSpec, Mount, Who

__all__ = ["START_ERROR", "Failure", "Launcher", "Started", "clean_up", "container_id", "who"]

Say = Callable[[str, str, str], None]
START_ERROR = "StartError"
_TERMINATION_LOG = "/dev/termination-log"


class Failure(LabError):
    """A container that could not be started, with the reason that its status shows.

    ``message`` is what the status says.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason, self.message = reason, message
        super().__init__(message)


@dataclass(frozen=True)
class Started:
    """A container that was started."""

    id: str
    running: Running
    image: Image
    #: as it was asked for, for programs that are started in it later
    environment: Mapping[str, str]
    who: Who
    cwd: str


def container_id(pod: Mapping[str, Any], name: str, restarts: int) -> str:
    """64 hexadecimal digits, the same in every run."""
    return hashlib.sha256(f"{pod['metadata']['uid']}/{name}/{restarts}".encode()).hexdigest()


def who(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Who:
    """As whom a container runs: its own ``securityContext`` before the pod's.

    Raises:
        CannotConfigure: it asks for what cannot be.
    """
    outer, own = pod["spec"].get("securityContext") or {}, container.get("securityContext") or {}
    uid = own.get("runAsUser", outer.get("runAsUser")) or 0
    gid = own.get("runAsGroup", outer.get("runAsGroup")) or 0
    if own.get("runAsNonRoot", outer.get("runAsNonRoot")) and not uid:
        raise CannotConfigure(
            "container has runAsNonRoot and image will run as root "
            f'(pod: "{pod["metadata"]["name"]}_{pod["metadata"]["namespace"]}({pod["metadata"]["uid"]})", '
            f"container: {container['name']})",
            "Say which user in runAsUser.",
        )
    if own.get("privileged"):
        return Who(uid, gid, None)
    asked = own.get("capabilities") or {}
    try:
        powers = capabilities.adjusted(asked.get("add") or (), asked.get("drop") or ())
    except BadInput as error:
        raise CannotConfigure(error.what, error.to_do) from None
    return Who(uid, gid, powers)


@dataclass(frozen=True)
class Launcher:
    """Starts containers of one node.

    ``field`` and ``config_map`` give a container's environment what it refers to.
    """

    node: Node
    shim: Shim
    shelf: Shelf

    def image(self, pod: Mapping[str, Any], container: Mapping[str, Any], say: Say) -> Image:
        """The container's image, pulled if its policy says so.

        Args:
            say: writes an event: type, reason, message.

        Raises:
            Failure: with ``ErrImagePull``, ``ErrImageNeverPull`` or ``InvalidImageName``.
        """
        name, policy = container["image"], container.get("imagePullPolicy") or "IfNotPresent"
        present = self.shelf.has(name)
        if policy == "Never" and not present:
            say(WARNING, "ErrImageNeverPull", f'Container image "{name}" is not present with pull policy of Never')
            say(WARNING, "Failed", "Error: ErrImageNeverPull")
            raise Failure("ErrImageNeverPull", f'Container image "{name}" is not present with pull policy of Never')
        pulls = policy == "Always" or not present
        if pulls:
            say(NORMAL, "Pulling", f'Pulling image "{name}"')
        try:
            image = self.shelf.pull(name)
            require_agent(pod, container, image)
        except CannotPull as error:
            message = f'failed to pull image "{name}": {error.what} {error.to_do}'
            say(WARNING, "Failed", f"F{message[1:]}")
            say(WARNING, "Failed", "Error: ErrImagePull")
            raise Failure("ErrImagePull", message) from None
        except BadInput as error:
            say(WARNING, "InspectFailed", f'Failed to apply default image tag "{name}": {error.what}')
            say(WARNING, "Failed", "Error: InvalidImageName")
            raise Failure("InvalidImageName", f'Failed to apply default image tag "{name}": {error.what}') from None
        if pulls:
            say(NORMAL, "Pulled", f'Successfully pulled image "{name}": {image.stands_in}')
        else:
            say(NORMAL, "Pulled", f'Container image "{name}" already present on machine')
        return image

    def start(
        self,
        pod: Mapping[str, Any],
        container: Mapping[str, Any],
        sandbox: Running,
        restarts: int,
        places_of_volumes: Mapping[str, str],
        field: Callable[[str], str],
        config_map: Callable[[str], Mapping[str, str] | None],
        say: Say,
    ) -> Started:
        """Start a container and wait until it runs.

        Raises:
            Failure: with the reason that its status shows.
            Vanished: the node has ended.
        """
        image = self.image(pod, container, say)
        name = container["name"]
        try:
            given = environment(container, field, config_map)
            variables = {"PATH": PATH, "HOSTNAME": hostname_of(pod), **given}
            if container.get("tty"):
                variables = {"TERM": "xterm", **variables}
            args = command(container, image, given)
            runs_as = who(pod, container)
        except CannotConfigure as error:
            say(WARNING, "Failed", f"Error: {error.what}")
            raise Failure("CreateContainerConfigError", error.what) from None
        own = container_id(pod, name, restarts)
        folder = places.container_folder(own)
        try:
            spec = ContainerSpec(
                node=self.node.pid,
                sandbox=sandbox.pid,
                image=f"{places.IMAGES}/{image.folder}" if image.folder else "/",
                scratch=folder,
                args=tuple(args),
                log=f"{self.node.root}{places.log_file(pod, name, restarts)}",
                env=variables,
                cwd=container.get("workingDir") or "/",
                who=runs_as,
                mounts=(*self._files(pod, container, folder), *self._volumes(container, places_of_volumes)),
                read_only=bool((container.get("securityContext") or {}).get("readOnlyRootFilesystem")),
                stdin=bool(container.get("stdin")),
                tty=bool(container.get("tty")),
            )
            self._link_log(pod, name, restarts, own)
            say(NORMAL, "Created", f"Created container: {name}")
            running = self.shim.start(spec)
        except CannotStart as error:
            self.discard(own)
            message = f"failed to start container: {_not_started(args[0], error)}"
            say(WARNING, "Failed", f"Error: {message}")
            raise Failure(START_ERROR, message) from None
        except (LabError, OSError) as error:
            self.discard(own)
            message = error.what if isinstance(error, LabError) else str(error)
            say(WARNING, "Failed", f"Error: {message}")
            raise Failure("CreateContainerError", message) from None
        say(NORMAL, "Started", f"Started container {name}")
        return Started(own, running, image, variables, runs_as, spec.cwd)

    def _files(self, pod: Mapping[str, Any], container: Mapping[str, Any], folder: str) -> list[Mount]:
        """Those of /etc that the kubelet keeps, and the one in which the program may say why it ended."""
        os.makedirs(f"{self.node.root}{folder}", exist_ok=True)
        Path(f"{self.node.root}{folder}/termination-log").touch()
        own = places.pod_folder(pod)
        found = [Mount(f"{own}/etc/{name}", f"/etc/{name}") for name in ("hosts", "hostname", "resolv.conf")]
        target = container.get("terminationMessagePath") or _TERMINATION_LOG
        return [*found, Mount(f"{folder}/termination-log", target)]

    def _volumes(self, container: Mapping[str, Any], where: Mapping[str, str]) -> list[Mount]:
        return volumes.mounts(container, where, self.node.root)

    def _link_log(self, pod: Mapping[str, Any], name: str, restarts: int, own: str) -> None:
        """The link below /var/log/containers; logs before the last one go."""
        root = self.node.root
        os.makedirs(f"{root}{places.LOG_LINKS}", exist_ok=True)
        link = f"{root}{places.log_link(pod, name, own)}"
        with suppress(FileExistsError):
            os.symlink(places.log_file(pod, name, restarts), link)
        for suffix in ("", ".old"):
            with suppress(FileNotFoundError):
                os.unlink(f"{root}{places.log_file(pod, name, restarts - 2)}{suffix}")

    def said_at_the_end(self, own: str) -> str:
        """What a container wrote into its termination log."""
        try:
            path = Path(f"{self.node.root}{places.container_folder(own)}/termination-log")
            return path.read_text(errors="replace")[:4096]
        except OSError:
            return ""

    def discard(self, own: str) -> None:
        """Remove what a container changed of its image, once it has ended."""
        shutil.rmtree(f"{self.node.root}{places.container_folder(own)}", ignore_errors=True)


def _not_started(program: str, error: CannotStart) -> str:
    if error.errno == errno.ENOENT and "/" not in program:
        words = "executable file not found in $PATH"
    else:
        words = (
            f"{'stat ' + program + ': ' if error.errno == errno.ENOENT else ''}{os.strerror(error.errno or 0).lower()}"
        )
    return f'exec: "{program}": {words}'


def clean_up(node: Node, pod: Mapping[str, Any]) -> None:
    """Remove everything that a pod has on the node's disk."""
    meta = pod["metadata"]
    root = node.root
    shutil.rmtree(f"{root}{places.pod_folder(pod)}", ignore_errors=True)
    shutil.rmtree(f"{root}{places.log_folder(pod, '')}", ignore_errors=True)
    for link in Path(f"{root}{places.LOG_LINKS}").glob(f"{meta['name']}_{meta['namespace']}_*"):
        with suppress(OSError):
            link.unlink()
