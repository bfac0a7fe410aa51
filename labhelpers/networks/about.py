"""What a network of the course has in common with the product whose name it bears, and what not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["About"]


@dataclass(frozen=True, slots=True)
class About:
    """One line of the table."""

    part: str
    #: what the real one does
    real: str
    #: what the model does, on the same kernel
    model: str
    #: what the model leaves out
    leaves_out: str
    #: the day on which the whole second column was checked against its sources, as the course's fact says; else none
    checked: str = ""
