"""What every main plugin is: a call of its IPAM plugin, and its own work meanwhile.

A main plugin's own part is a module beside this one with three functions:

``attach(request, here, pod, ipam)``
    makes the interface and returns the result; it asks ``ipam`` for the addresses when it needs them;
``check(request, here, pod)``
    raises ``PluginError`` if what ``attach`` made is not as it was;
``ready(request, here)``
    raises ``PluginError`` if ``attach`` could not work now.
"""

from __future__ import annotations

from labhelpers.cni.plugin.delegate import Delegated
from labhelpers.cni.plugin.skeleton import PluginError, Request, run

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["serve"]

_NOT_AVAILABLE, _LIMITED = 50, 51

# The modules that talk to the kernel are imported when the IPAM plugin is at work already: that hides their time.


def serve(part: str) -> None:
    """Serve one call with the own part in module ``part``."""

    def add(request: Request) -> dict[str, Any]:
        ipam = Delegated(request, _ipam_type(request))
        try:
            from labhelpers.cni.plugin import wiring

            return wiring.add(request, part, ipam)
        except BaseException:
            ipam.undo()
            raise

    def unplug(request: Request) -> None:
        from labhelpers.cni.plugin import wiring

        wiring.unplug(request)

    def check(request: Request) -> None:
        from labhelpers.cni.plugin import wiring

        wiring.check(request, part)

    def gc(request: Request) -> None:
        from labhelpers.cni.plugin import wiring

        wiring.gc(request)

    def ready(request: Request) -> None:
        from labhelpers.cni.plugin import wiring

        wiring.ready(request, part)

    def status(request: Request) -> None:
        try:
            _beside_ipam(request, ready)
        except PluginError as error:
            raise PluginError(
                error.code if error.code == _LIMITED else _NOT_AVAILABLE, error.msg, error.details
            ) from None

    run(
        {
            "ADD": add,
            "DEL": lambda request: _beside_ipam(request, unplug),
            "CHECK": lambda request: _beside_ipam(request, check),
            "GC": lambda request: _beside_ipam(request, gc),
            "STATUS": status,
        }
    )


def _beside_ipam(request: Request, own: Callable[[Request], None]) -> None:
    """Do the plugin's own part while IPAM does its.  If one fails, the other is done all the same.

    Raises:
        PluginError: with what each of them said.
    """
    errors: list[PluginError] = []
    ipam = None
    try:
        ipam = Delegated(request, _ipam_type(request))
    except PluginError as error:
        errors.append(error)
    try:
        own(request)
    except PluginError as error:
        errors.append(error)
    try:
        if ipam is not None:
            ipam.answer()
    except PluginError as error:
        errors.append(error)
    if errors:
        details = "; ".join(one.details for one in errors if one.details)
        raise PluginError(errors[0].code, "; ".join(one.msg for one in errors), details)


def _ipam_type(request: Request) -> str:
    ipam = request.config.get("ipam")
    kind = ipam.get("type") if isinstance(ipam, dict) else None
    if not isinstance(kind, str) or not kind or "/" in kind:
        raise PluginError(7, "the configuration names no IPAM plugin", 'write "ipam": {"type": "lab-host-local", …}')
    return kind
