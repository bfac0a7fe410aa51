"""The minutes that a chapter promises are those that its text, code and exercises take."""

from __future__ import annotations

from pathlib import Path

import pytest

from labhelpers.course import catalogue
from tools.minutes import Count, count
from tools.notebooks import read

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.parametrize("chapter", catalogue.CHAPTERS, ids=lambda chapter: chapter.number)
def test_a_chapter_takes_the_time_that_it_says(chapter: catalogue.Chapter) -> None:
    counted = count(chapter.number, read(NOTEBOOKS / chapter.file)).minutes()
    assert abs(counted - chapter.minutes) <= max(10, 0.1 * counted), f"counted {counted:.0f}, said {chapter.minutes}"


def test_each_part_counts() -> None:
    nothing = Count(0, 0, 0, 0, 0)
    assert nothing.minutes() == 0
    assert nothing.minutes(run_seconds=120) == 2
    assert Count(180, 10, 4, 1, 2).minutes() == 1 + 1 + 1 + 5 + 4
