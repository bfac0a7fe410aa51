"""Network configurations: what an administrator writes into ``/etc/cni/net.d``, and what a plugin gets of it.

Source: https://www.cni.dev/docs/spec/#section-1-network-configuration-format, specification 1.1.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labhelpers.cni.version import highest
from labhelpers.errors import BadInput, NotFound

__all__ = ["NetworkConfigList", "PluginConfig", "file_name", "load_first"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SUFFIXES = (".conf", ".conflist", ".json")
_FIRST_VERSION = "0.1.0"  # what a configuration that names none is for
_OF_THE_LIST = ("cniVersion", "cniVersions", "name", "disableCheck", "disableGC")
_RUNTIMES_OWN = ("capabilities", "runtimeConfig", "prevResult")


@dataclass(frozen=True)
class PluginConfig:
    """One plugin's part of a network configuration.  ``raw`` is all of it, also what nobody here knows."""

    type: str
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def capabilities(self) -> frozenset[str]:
        """What the plugin says it can use of ``runtimeConfig``."""
        given = self.raw.get("capabilities", {})
        return frozenset(name for name, wanted in given.items() if wanted)

    @property
    def delegates(self) -> tuple[str, ...]:
        """The plugins it is configured to call itself."""
        ipam = self.raw.get("ipam")
        named = ipam.get("type") if isinstance(ipam, dict) else None
        return (named,) if isinstance(named, str) and named else ()


@dataclass(frozen=True)
class NetworkConfigList:
    """A network: its name, its versions, and the chain of plugins that make it."""

    name: str
    versions: tuple[str, ...]
    plugins: tuple[PluginConfig, ...]
    disable_check: bool = False
    disable_gc: bool = False
    #: the file it was read from, ``""`` if none
    source: str = field(default="", compare=False)
    #: all of it, as it was written
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def version(self) -> str:
        """The highest version that the configuration and this runtime both know (``BadInput`` if there is none)."""
        return highest(self.versions)

    @classmethod
    def parse(cls, text: str | Mapping[str, Any], source: str = "") -> NetworkConfigList:
        """Read a configuration list, or one plugin's configuration as a list of one.

        Raises:
            BadInput: where it is wrong and how it should be.
        """
        data = _decoded(text, source)
        where = f"in {source}" if source else "in the network configuration"
        if "plugins" not in data and "type" in data:
            plugin = {key: value for key, value in data.items() if key not in _OF_THE_LIST}
            data = {**{key: value for key, value in data.items() if key in _OF_THE_LIST}, "plugins": [plugin]}
        return cls(
            name=_name(data.get("name"), where),
            versions=_versions(data, where),
            plugins=_plugins(data.get("plugins"), where),
            disable_check=_flag(data, "disableCheck", where),
            disable_gc=_flag(data, "disableGC", where),
            source=source,
            raw=data,
        )

    def request(
        self,
        plugin: PluginConfig,
        *,
        previous: Mapping[str, Any] | None = None,
        capabilities: Mapping[str, Any] | None = None,
        attachments: Iterable[tuple[str, str]] | None = None,
    ) -> dict[str, Any]:
        """What one plugin reads on its standard input.

        Everything the administrator wrote passes through, but ``capabilities`` and what is the runtime's to say;
        ``cniVersion``, ``name`` and what is asked of the plugin come.

        Args:
            previous: the result so far, for ``prevResult``.
            capabilities: what the runtime has to offer; a plugin gets those it names.
            attachments: for GC, container id and interface name of each that is still in use.

        Source: section 3, "Deriving request configuration from plugin configuration".
        """
        ours = {"cniVersion": self.version, "name": self.name}
        request = {**ours, **{key: value for key, value in plugin.raw.items() if not _is_runtimes(key)}, **ours}
        offered = {key: value for key, value in (capabilities or {}).items() if key in plugin.capabilities}
        if offered:
            request["runtimeConfig"] = offered
        if previous is not None:
            request["prevResult"] = dict(previous)
        if attachments is not None:
            request["cni.dev/valid-attachments"] = [
                {"containerID": container, "ifname": ifname} for container, ifname in attachments
            ]
        return request

    def __repr__(self) -> str:
        chain = " → ".join(plugin.type for plugin in self.plugins)
        return f"<network {self.name}: {chain}, CNI {', '.join(self.versions)}>"


def load_first(folder: Path) -> tuple[NetworkConfigList, tuple[str, ...]]:
    """Read the configuration that a runtime uses: the first file of the folder in lexical order.

    Returns:
        it, and the names of the files that are passed over.

    Raises:
        NotFound: there is no file.
        BadInput: the file makes no sense.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix in _SUFFIXES and not path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        names = []
    if not names:
        raise NotFound(
            f"There is no network configuration in {_shown(folder)}, so no plugin can be called.",
            "Write one, such as 10-pods.conflist; a real node is NotReady until then.",
        )
    path = folder / names[0]
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"{_shown(path)} cannot be read: {_words(error)}.", "It is the first in lexical order."
        ) from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{_shown(path)} is not UTF-8: {error.reason}.", "Save it as UTF-8.") from None
    return NetworkConfigList.parse(text, _shown(path)), tuple(names[1:])


def file_name(name: str) -> str:
    """Check the name of a file to be written into /etc/cni/net.d: a runtime must find it there.

    Raises:
        BadInput: it would be passed over, or be elsewhere.
    """
    if not isinstance(name, str) or "/" in name or "\0" in name or Path(name).suffix not in _SUFFIXES:
        raise BadInput(
            f"No runtime reads a file {name!r} in /etc/cni/net.d.",
            f"Use a plain name that ends in {', '.join(_SUFFIXES)}, such as 10-pods.conflist.",
        )
    return name


def _is_runtimes(key: str) -> bool:
    """Does a field belong to the runtime, and not to the administrator?"""
    return key in _RUNTIMES_OWN or key.startswith("cni.dev/")


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _shown(path: Path) -> str:
    """The path as the node itself sees it: its file system is reached through /proc/PID/root."""
    parts = path.parts
    return str(Path("/", *parts[4:])) if parts[1:2] == ("proc",) and parts[3:4] == ("root",) else str(path)


def _decoded(given: str | Mapping[str, Any], source: str) -> dict[str, Any]:
    what = source or "The network configuration"
    try:
        data = json.loads(given if isinstance(given, str) else json.dumps(given))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{what} is not JSON: {error}.", "Mend that place.") from None
    except TypeError as error:
        raise BadInput(f"{what} cannot be written as JSON: {error}.", "Leave that value out.") from None
    if not isinstance(data, dict):
        raise BadInput(f"{what} is not a JSON object.", "Begin it with {.")
    return data


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadInput(
            f"The name {value!r} {where} cannot be a network's.",
            "Begin with a letter or a digit; then letters, digits, '_', '.' and '-'.",
        )
    return value


def _versions(data: Mapping[str, Any], where: str) -> tuple[str, ...]:
    given = data.get("cniVersions", [])
    if not isinstance(given, list):
        raise BadInput(f"cniVersions {where} is not a list.", 'Write it like ["1.0.0", "1.1.0"].')
    single = data.get("cniVersion")
    versions = [*given, *([] if single in (None, "") else [single])] or [_FIRST_VERSION]
    for version in versions:
        if not isinstance(version, str):
            raise BadInput(f"The CNI version {version!r} {where} is not a text.", 'Write it like "1.1.0".')
    return tuple(dict.fromkeys(versions))


def _plugins(value: object, where: str) -> tuple[PluginConfig, ...]:
    if not isinstance(value, list) or not value:
        raise BadInput(f"There is no list of plugins {where}.", 'Write "plugins": [{"type": "bridge", …}].')
    return tuple(_plugin(one, f"of plugin {number} {where}") for number, one in enumerate(value, 1))


def _plugin(value: object, where: str) -> PluginConfig:
    if not isinstance(value, dict):
        raise BadInput(f"The configuration {where} is not a JSON object.", "Begin it with {.")
    kind = value.get("type")
    if not isinstance(kind, str) or kind in ("", ".", "..") or any(char in "/\\\0" for char in kind):
        raise BadInput(
            f"The type {kind!r} {where} names no plugin.",
            "It is the file name of the plugin's program, such as 'bridge'.",
        )
    if not isinstance(value.get("capabilities", {}), dict):
        raise BadInput(f"The capabilities {where} are not an object.", 'Write them like {"portMappings": true}.')
    return PluginConfig(kind, value)


def _flag(data: Mapping[str, Any], key: str, where: str) -> bool:
    value = data.get(key, False)
    if value in ("true", "false"):  # specifications before 1.0.0 said so
        return bool(value == "true")
    if not isinstance(value, bool):
        raise BadInput(f"{key} {where} is {value!r}.", "Write true or false.")
    return value
