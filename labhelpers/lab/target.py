"""Whom to talk to: a pod or node object, a name, or an address."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from labhelpers.errors import BadInput, NotFound
from labhelpers.linux import names, namespace, tables

if TYPE_CHECKING:
    from labhelpers.lab.namespace import Namespace

__all__ = ["address_of"]


def address_of(target: Namespace | str) -> str:
    """The IP address to send to.

    Args:
        target: a ``Pod`` or ``Node``, the name of a namespace (its first address is read from the kernel), or an
            address, which is returned as it is.

    Raises:
        BadInput, NotFound: it is none of these, or has no address.
    """
    if not isinstance(target, str):
        known = getattr(target, "address", None)
        name = getattr(target, "name", None)
        if not isinstance(name, str):
            raise BadInput(f"{target!r} is nobody to talk to.", "Name a pod, a node, or an address.")
        return str(known) if known else _first_address(name)
    try:
        return str(names.address(target))
    except BadInput:
        if not os.path.exists(namespace.FOLDER / target):
            if target[:1].isdigit():  # an address misspelt
                raise
            if "." in target:
                raise NotFound(
                    f"There is no namespace {target!r}, and names of the internet are not known in the sandbox.",
                    "Name a pod, a node, or an address.",
                ) from None
        return _first_address(target)


def _first_address(name: str) -> str:
    with namespace.attach(name).socket() as socket:
        for link in tables.read_links(socket):
            if link.kind != "loopback" and link.addresses:
                return link.addresses[0].split("/")[0]
    raise NotFound(f"{name} has no address to send to.", "Give it one with add_address.")
