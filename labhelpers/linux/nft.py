"""Packet filter and address translation rules (nftables), by the ``nft`` program (``man 8 nft``)."""

from __future__ import annotations

from labhelpers.errors import BadInput
from labhelpers.linux import process
from labhelpers.linux.namespace import NetworkNamespace

__all__ = ["apply", "ruleset"]


def apply(namespace: NetworkNamespace, rules: str) -> None:
    """Change the namespace's nftables ruleset: all of ``rules``, or nothing.

    Args:
        rules: lines in the language of ``nft -f``.

    Raises:
        BadInput: with nft's own explanation; the ruleset is as it was.
        ToolMissing: nft is not installed.

    Shell: ``ip netns exec NAME nft -f -``.
    """
    done = process.run(namespace, ["nft", "-f", "-"], input=rules + "\n")
    if not done.ok:
        raise BadInput(
            f"nft did not accept the rules in {namespace.name}:\n{done.stderr.strip()}",
            "Nothing was changed. `man nft` describes the language.",
        )


def ruleset(namespace: NetworkNamespace) -> str:
    """The whole ruleset as text.  Shell: ``nft --stateless list ruleset``."""
    done = process.run(namespace, ["nft", "--stateless", "list", "ruleset"])
    if not done.ok:
        raise BadInput(f"nft could not list the rules of {namespace.name}: {done.stderr.strip()}", "Run doctor().")
    return done.stdout.rstrip("\n")
