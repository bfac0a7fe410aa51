"""The reasons why a packet dies, one kind a module.

Each function returns a ``Why`` if the evidence shows its reason, else ``None``.
"""
