"""The results of ADD, kept on the node's disk until DEL: CHECK and DEL need them, and the runtime may restart between.

The form and the place are those of libcni, ``/var/lib/cni/results/NETWORK-CONTAINER-IFNAME``, so that other runtimes
find them.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labhelpers.errors import AlreadyExists, BadInput, LabError

__all__ = ["Cache", "Cached"]

_KIND = "cniCacheV1"


@dataclass(frozen=True)
class Cached:
    """What was noted of one attachment."""

    network: str
    container: str
    ifname: str
    netns: str
    #: the configuration list as it was at ADD
    config: Mapping[str, Any]
    args: tuple[tuple[str, str], ...]
    capabilities: Mapping[str, Any]
    result: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes the attachment this one."""
        return self.network, self.container, self.ifname


class Cache:
    """The folder of a node's results.

    Args:
        root: of the node's file system, as seen from here.
    """

    FOLDER = "/var/lib/cni/results"

    def __init__(self, root: str) -> None:
        self._folder = Path(f"{root}{self.FOLDER}")

    def _path(self, network: str, container: str, ifname: str) -> Path:
        return self._folder / f"{network}-{container}-{ifname}"

    def write(self, entry: Cached) -> None:
        """Note an attachment; a reader sees the old note or the new one, never half.

        Raises:
            LabError: the disk is full, or not writable.
        """
        data = {
            "kind": _KIND,
            "containerId": entry.container,
            "config": base64.b64encode(json.dumps(dict(entry.config)).encode()).decode(),
            "ifName": entry.ifname,
            "networkName": entry.network,
            "netns": entry.netns,
            "cniArgs": [list(pair) for pair in entry.args],
            "capabilityArgs": dict(entry.capabilities),
            "result": dict(entry.result),
        }
        path = self._path(*entry.key)
        draft = _draft_of(path)  # of a fixed name: one that a killed runtime has left is found again
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(data), encoding="utf-8")
            os.replace(draft, path)
        except BaseException as error:
            with suppress(OSError):
                draft.unlink()
            if not isinstance(error, OSError):
                raise
            raise LabError(
                f"The result of {entry.container} could not be kept in {self.FOLDER}: {_words(error)}.",
                "Without it a later DEL could not clean up, so ADD was undone. Make room, or mend the folder.",
            ) from None

    def read(self, network: str, container: str, ifname: str) -> Cached | None:
        """What was noted of an attachment, ``None`` if nothing.

        Raises:
            BadInput: the note cannot be read.
            AlreadyExists: it is the note of another attachment, whose names give the same file name.
        """
        path = self._path(network, container, ifname)
        try:
            found = _parse(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadInput(
                f"The cached result {self.FOLDER}/{path.name} cannot be read: {_words(error)}.", "Mend the folder."
            ) from None
        except ValueError:
            raise BadInput(
                f"The cached result {self.FOLDER}/{path.name} is not what a runtime writes.",
                "DEL does what it can without it; CHECK needs it: delete the pod and add it again.",
            ) from None
        if found.key != (network, container, ifname):
            raise AlreadyExists(
                f"{container} on {network} and {found.container} on {found.network} would share the cached result "
                f"{self.FOLDER}/{path.name}.",
                "Choose another container id.",
            )
        return found

    def remove(self, network: str, container: str, ifname: str) -> None:
        """Forget an attachment, also if its note cannot be read."""
        try:
            self.read(network, container, ifname)
        except AlreadyExists:  # the file is not about this one
            return
        except BadInput:
            pass
        path = self._path(network, container, ifname)
        try:
            with suppress(FileNotFoundError):
                path.unlink()
            with suppress(FileNotFoundError):
                _draft_of(path).unlink()
        except OSError as error:
            raise LabError(f"{self.FOLDER}/{path.name} cannot be removed: {_words(error)}.", "Remove it.") from None

    def entries(self) -> tuple[Cached, ...]:
        """Everything noted, in order of file name; notes that cannot be read are passed over."""
        found = []
        for path in self._files():
            try:
                found.append(_parse(path))
            except (ValueError, OSError):
                continue
        return tuple(found)

    def require_readable(self, network: str) -> None:
        """Raise ``BadInput`` if one of a network's notes cannot be read: nobody knows then what is still in use."""
        for path in self._files():
            try:
                _parse(path)
            except FileNotFoundError:  # it was removed meanwhile
                continue
            except (ValueError, OSError):
                if path.name.startswith(f"{network}-"):
                    raise BadInput(
                        f"The result {self.FOLDER}/{path.name} cannot be read, and its pod would lose its network.",
                        "Delete that pod first, or the file if there is no such pod.",
                    ) from None

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[!.]*"))


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}")


def _parse(path: Path) -> Cached:
    """Read a note; ``ValueError`` if it is none."""
    data = json.loads(path.read_text(encoding="utf-8"))
    try:
        if data["kind"] != _KIND:
            raise ValueError(data["kind"])
        config = json.loads(base64.b64decode(data["config"]))
        if not isinstance(config, dict):
            raise ValueError(config)
        return Cached(
            network=str(data["networkName"]),
            container=str(data["containerId"]),
            ifname=str(data["ifName"]),
            netns=str(data.get("netns") or ""),
            config=config,
            args=tuple((str(key), str(value)) for key, value in data.get("cniArgs") or ()),
            capabilities=dict(data.get("capabilityArgs") or {}),
            result=dict(data["result"]),
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
