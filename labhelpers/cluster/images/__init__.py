"""Images without a registry: root file systems assembled from what is installed on the machine.

``reference`` reads the names that people write, ``catalogue`` says what can stand for which, ``assemble`` copies
programs with the libraries they need, ``shelf`` keeps what was assembled until the sandbox ends.
"""

from __future__ import annotations

from labhelpers.cluster.images.shelf import CannotPull, Image, Shelf

__all__ = ["CannotPull", "Image", "Shelf"]
