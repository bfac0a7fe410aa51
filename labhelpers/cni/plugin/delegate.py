"""Call another plugin, as a main plugin calls its IPAM plugin: same environment, same configuration.

Source: https://www.cni.dev/docs/spec/#section-4-plugin-delegation, specification 1.1.0.
"""

from __future__ import annotations

import os

from labhelpers.cni.plugin.quick_json import loads
from labhelpers.cni.plugin.skeleton import PluginError, Request

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Delegated"]

_SIGPIPE = 13  # Python ignores it; another program counts on it


class Delegated:
    """A plugin at work, started for a request that its caller got.

    The caller may do something else meanwhile, and asks for the answer when it needs it.

    Raises:
        PluginError: there is no such plugin on ``CNI_PATH``.
    """

    def __init__(self, request: Request, plugin: str, command: str = "") -> None:
        self.plugin = plugin
        path = _find(plugin, request.folders)
        environment = {**os.environ, "CNI_COMMAND": command or request.command}
        their_input, our_output = os.pipe()
        our_input, their_output = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, their_input, 0), (os.POSIX_SPAWN_DUP2, their_output, 1)]
        try:
            self._pid = os.posix_spawn(path, [path], environment, file_actions=actions, setsigdef=[_SIGPIPE])
        except OSError as error:
            for fd in (our_input, our_output):
                os.close(fd)
            raise PluginError(5, f"the plugin {plugin} could not be started", error.strerror or str(error)) from None
        finally:
            for fd in (their_input, their_output):
                os.close(fd)
        self._request, self._output, self._ended = request, our_input, False
        _send(our_output, request.text.encode())

    def answer(self) -> dict[str, Any]:
        """Wait until it has ended, and return what it answered; ``{}`` if that was nothing.

        Raises:
            PluginError: it failed; the error is passed on as it is.
        """
        parts = []
        while part := os.read(self._output, 1 << 16):
            parts.append(part)
        os.close(self._output)
        _, status = os.waitpid(self._pid, 0)
        self._ended = True
        text = b"".join(parts).decode(errors="replace")
        try:
            value = loads(text) if text.strip() else {}
        except ValueError:
            value = None
        if status == 0 and isinstance(value, dict):
            return value
        if isinstance(value, dict) and isinstance(value.get("code"), int):
            raise PluginError(value["code"], f"{self.plugin}: {value.get('msg', '')}", str(value.get("details", "")))
        if os.WIFSIGNALED(status):
            raise PluginError(100, f"the plugin {self.plugin} was ended by signal {os.WTERMSIG(status)}")
        if status:
            raise PluginError(100, f"the plugin {self.plugin} failed without an error object", text[:200])
        raise PluginError(6, f"the plugin {self.plugin} answered what is no JSON object", text[:200])

    def undo(self) -> None:
        """Call it again with DEL, because the ADD that it was part of has failed.  Its own failure is not the point."""
        try:
            if not self._ended:
                self.answer()
        except PluginError:
            pass
        try:
            Delegated(self._request, self.plugin, "DEL").answer()
        except PluginError:
            pass


def _find(plugin: str, folders: list[str]) -> str:
    for folder in folders:
        path = f"{folder}/{plugin}"
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise PluginError(7, f"there is no plugin {plugin!r} on CNI_PATH", ":".join(folders))


def _send(fd: int, data: bytes) -> None:
    """A configuration fits into the pipe, so this does not wait for the reader; if it does not fit, it does."""
    try:
        while data:
            data = data[os.write(fd, data) :]
    except BrokenPipeError:  # it ended without reading: its answer will say why
        pass
    finally:
        os.close(fd)
