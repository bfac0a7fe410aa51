"""How a node's router is asked from outside: one word on the socket in its node's /run, and JSON back."""

from __future__ import annotations

import json
from typing import Any

from labhelpers.errors import LabError, NotFound, TimedOut
from labhelpers.lab import Node
from labhelpers.networks.own_run import here
from labhelpers.networks.weave.settings import SOCKET
from labhelpers.networks.weave.talk import answer

__all__ = ["ask"]


def ask(node: Node, word: str) -> Any:
    """Ask a node's router for its ``status``, or tell it to ``reload`` its settings or to ``end``.

    Raises:
        NotFound: no router listens.
        TimedOut: it does not answer.
        LabError: it does not understand.

    Shell: ``python -m labhelpers.networks.weave.ask status`` on the node.
    """
    try:
        said = json.loads(answer(str(here(node, SOCKET)), word))
    except TimeoutError:
        raise TimedOut(f"The router on {node.name} does not answer.", "Is it stopped? See with `ps`.") from None
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", "") or "it ended meanwhile").lower()
        raise NotFound(
            f"No router answers on {node.name}: {why}.", "node_added(…) of the carrier starts one again."
        ) from None
    if "error" in said:
        raise LabError(f"The router on {node.name} refused: {said['error']}.", "Ask for status or reload.")
    return said
