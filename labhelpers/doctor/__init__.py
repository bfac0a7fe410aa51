"""What can this machine run?  Everything the course needs is tried, and the answer is one table.

::

    doctor() ──starts──> child: tries everything in a throw-away namespace, writes what the kernel said
       └──> rows: works, another way, missing, and what to do ──> Report

A trial runs in a process of its own, so that the notebook's never leaves its namespaces, and nothing can be left over.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labhelpers.doctor.report import Report

__all__ = ["doctor"]


def doctor(chapter: str = "") -> Report:
    """Change nothing: try what the course needs of this machine, and say what works and what to do about the rest.

    Outside a sandbox the trials run in a sandbox of their own.  Where the machine refuses one, the report says why.

    Args:
        chapter: ``"02"`` shows only what chapter 02 needs.

    Raises:
        BadInput: there is no such chapter.
    """
    from labhelpers.doctor.ask import ask  # the child process needs neither the report nor the catalogue

    return ask(chapter)


class _Doctor(ModuleType):
    """``labhelpers.doctor`` is the verb, and once this module is imported Python puts the module there: it is both."""

    def __call__(self, chapter: str = "") -> Report:
        return doctor(chapter)


sys.modules[__name__].__class__ = _Doctor
