"""Learning: exercises judged by the kernel, progress, dated facts, and the ``%%ns`` magic."""

from __future__ import annotations

from labhelpers.course.expect import expect
from labhelpers.course.facts import fact
from labhelpers.course.progress import progress
from labhelpers.course.settle import settle
from labhelpers.course.verbs import check, hint, solution, start

__all__ = ["check", "expect", "fact", "hint", "progress", "settle", "solution", "start"]
