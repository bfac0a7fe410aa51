"""The protocol of a CNI plugin: read the environment and standard input, do what is asked, answer.

::

    from labhelpers.cni.plugin.skeleton import Request, run

    def add(request: Request) -> dict:
        ...                               # make the interface
        return {"interfaces": [...], "ips": [...]}

    run({"ADD": add, "DEL": delete, ...})

Source: https://www.cni.dev/docs/spec/#section-2-execution-protocol, specification 1.1.0.
"""

from __future__ import annotations

import os

from labhelpers.cni.plugin.quick_json import dumps, loads

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn

    Verb = Callable[["Request"], dict[str, Any] | None]

__all__ = ["VERSIONS", "PluginError", "Request", "run"]

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
#: what each operation needs in the environment
_NEEDED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "GC": ("CNI_PATH",),
    "STATUS": (),
}
_SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}
_FIRST_VERSION = "0.1.0"  # what a configuration that names none is for
_LONGEST_IFNAME = 15  # bytes; IFNAMSIZ is 16 with the closing zero
_OWN_CODE = 100


class PluginError(Exception):
    """What goes to standard output when it does not work: the error object of section 5."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code, self.msg, self.details = code, msg, details


class Request:
    """What the runtime asks for."""

    def __init__(self, command: str, environment: Mapping[str, str], text: str) -> None:
        self.command = command
        self.text = text
        self.container = environment.get("CNI_CONTAINERID", "")
        self.netns = environment.get("CNI_NETNS", "")
        self.ifname = environment.get("CNI_IFNAME", "")
        self.folders = [folder for folder in environment.get("CNI_PATH", "").split(":") if folder]
        self.config: dict[str, Any] = _decoded(text)
        self.version: str = self.config.get("cniVersion") or _FIRST_VERSION

    @property
    def network(self) -> str:
        """The name of the network."""
        return str(self.config["name"])

    @property
    def previous(self) -> dict[str, Any]:
        """The result of the plugins before, or of the last ADD; empty if there is none."""
        found = self.config.get("prevResult") or {}
        if not isinstance(found, dict):
            raise PluginError(7, "prevResult is not an object")
        return found

    @property
    def valid_attachments(self) -> set[tuple[str, str]]:
        """For GC: container id and interface name of each attachment that is still in use."""
        given = self.config.get("cni.dev/valid-attachments")
        if not isinstance(given, list):
            raise PluginError(7, "cni.dev/valid-attachments is missing or not a list")
        try:
            return {(one["containerID"], one["ifname"]) for one in given}
        except (TypeError, KeyError):
            raise PluginError(7, "an entry of cni.dev/valid-attachments has no containerID or no ifname") from None


def run(verbs: Mapping[str, Verb], *, passes_on: bool = True) -> NoReturn:
    """Serve one call: dispatch it, print the answer, exit with 0 or 1.

    Args:
        verbs: a function for each of ADD, DEL, CHECK, GC and STATUS that the plugin knows.  ADD returns its result
            without ``cniVersion``; the others return ``None``.
        passes_on: put what earlier plugins of a chain made in front of what ADD returns, as section 2 asks.  Not for
            an IPAM plugin, and not for one that returns their result with its own changes.
    """
    text = ""
    try:
        text = _standard_input()
        answer, status = _served(os.environ.get("CNI_COMMAND", ""), text, verbs, passes_on), 0
    except PluginError as error:
        answer, status = {"code": error.code, "msg": error.msg, "details": error.details}, 1
    except Exception as error:  # whatever it is, the runtime must get an error object
        answer, status = {"code": _OWN_CODE, "msg": f"{type(error).__name__}: {error}", "details": _where(error)}, 1
    if answer is not None:
        os.write(1, dumps({"cniVersion": _version_in(text), **answer}).encode(errors="replace") + b"\n")
    # without the tidying up that Python does at its end: there is nothing to tidy, and it takes a millisecond
    os._exit(status)


def _where(error: Exception) -> str:
    """The place in the plugin's source where it went wrong."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    return f"line {place.tb_lineno} of {place.tb_frame.f_code.co_filename}" if place else ""


def _served(command: str, text: str, verbs: Mapping[str, Verb], passes_on: bool) -> dict[str, Any] | None:
    if command == "VERSION":
        _decoded(text or "{}")
        return {"supportedVersions": list(VERSIONS)}
    _check_environment(command, verbs)
    request = Request(command, os.environ, text)
    _check_config(request)
    answer = verbs[command](request)
    if command == "ADD" and not isinstance(answer, dict):
        raise PluginError(
            _OWN_CODE, f"ADD returned {type(answer).__name__} where a result belongs", "it is a dictionary"
        )
    if answer is not None and not isinstance(answer, dict):
        raise PluginError(_OWN_CODE, f"{command} returned {answer!r}", "it returns nothing, or raises PluginError")
    return _beside(request.previous, answer or {}) if command == "ADD" and passes_on and request.previous else answer


def _beside(previous: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The result so far and after it another; the numbers of the other's interfaces move on."""
    before = {key: previous.get(key) or [] for key in ("interfaces", "ips", "routes")}
    if not all(isinstance(one, list) for one in before.values()):
        raise PluginError(7, "prevResult has what is not a list in place of interfaces, ips or routes")
    more = len(before["interfaces"])
    ips = [
        {**one, "interface": one["interface"] + more} if "interface" in one else one for one in result.get("ips", [])
    ]
    return {
        **{key: value for key, value in previous.items() if key != "cniVersion"},
        **result,
        "interfaces": [*before["interfaces"], *result.get("interfaces", [])],
        "ips": [*before["ips"], *ips],
        "routes": [*before["routes"], *result.get("routes", [])],
        "dns": result.get("dns") or previous.get("dns") or {},
    }


def _version_in(text: str) -> str:
    """The version that was asked in: an answer is of the same one, and an error too."""
    try:
        version = _decoded(text or "{}").get("cniVersion")
    except PluginError:
        version = None
    return version if isinstance(version, str) and version else VERSIONS[-1]


def _standard_input() -> str:
    try:
        parts = []
        while part := os.read(0, 1 << 16):
            parts.append(part)
        return b"".join(parts).decode()
    except OSError as error:
        raise PluginError(
            5, "the configuration could not be read from standard input", error.strerror or str(error)
        ) from None
    except UnicodeDecodeError as error:
        raise PluginError(6, "the configuration is not UTF-8", str(error)) from None


def _decoded(text: str) -> dict[str, Any]:
    try:
        value = loads(text)
    except (ValueError, RecursionError) as error:
        raise PluginError(6, "the configuration is not JSON", str(error)) from None
    if not isinstance(value, dict):
        raise PluginError(6, "the configuration is not a JSON object")
    return value


def _check_environment(command: str, verbs: Mapping[str, object]) -> None:
    if command not in verbs:
        raise PluginError(4, f"CNI_COMMAND is {command!r}", f"this plugin knows {', '.join([*verbs, 'VERSION'])}")
    missing = [name for name in _NEEDED[command] if not os.environ.get(name)]
    if missing:
        raise PluginError(4, f"missing: {', '.join(missing)}", f"{command} needs them in the environment")
    wrong = [name for name in _NEEDED[command] if name in _RULES and not _RULES[name](os.environ[name])]
    if wrong:
        raise PluginError(4, f"invalid: {', '.join(f'{name}={os.environ[name]}' for name in wrong)}", "see section 2")


def _is_container(value: str) -> bool:
    return value.isascii() and value[0].isalnum() and all(char.isalnum() or char in "_.-" for char in value)


def _is_ifname(value: str) -> bool:
    return (
        len(value.encode()) <= _LONGEST_IFNAME
        and value not in (".", "..")
        and not any(char in "/:" or char.isspace() for char in value)
    )


def _is_namespace(value: str) -> bool:
    """Is the file a namespace?  All of them are files of one file system, nsfs."""
    try:
        return os.stat(value).st_dev == os.stat("/proc/self/ns/net").st_dev
    except OSError:
        return False


_RULES: dict[str, Callable[[str], bool]] = {
    "CNI_CONTAINERID": _is_container,
    "CNI_IFNAME": _is_ifname,
    "CNI_NETNS": _is_namespace,
}


def _check_config(request: Request) -> None:
    if request.version not in VERSIONS:
        raise PluginError(1, f"this plugin does not speak CNI {request.version}", f"it speaks {', '.join(VERSIONS)}")
    since = _SINCE.get(request.command)
    if since and VERSIONS.index(request.version) < VERSIONS.index(since):
        raise PluginError(1, f"CNI {request.version} has no {request.command}", f"it came with {since}")
    name = request.config.get("name")
    if not isinstance(name, str) or not name or not _is_container(name):
        raise PluginError(
            7, f"the network's name is {name!r}", "a letter or digit, then letters, digits, '_', '.', '-'"
        )
