"""For who teaches: what learners' notebooks say, whether it is so, and notebooks to hand out."""

from __future__ import annotations
