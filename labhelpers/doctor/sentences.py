"""What the rows mean for the chapters, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labhelpers.course.catalogue import CHAPTERS, Chapter
from labhelpers.doctor.verdict import MISSING, Row

__all__ = ["about_all", "about_one", "lacking", "spans"]

_REFUSED = "because this machine does not allow a sandbox"


def lacking(rows: Iterable[Row], chapter: Chapter) -> tuple[Row, ...]:
    """What the whole chapter needs and this machine does not have."""
    return tuple(
        row
        for row in rows
        if row.status == MISSING and chapter.number in row.chapters and chapter.number not in dict(row.parts)
    )


def _but(rows: Iterable[Row], chapter: Chapter) -> str:
    """Which parts of a chapter that runs do not."""
    missing = [(dict(row.parts).get(chapter.number), row) for row in rows if row.status == MISSING]
    return "".join(f", but not {part}, which lacks {row.name}" for part, row in missing if part)


def about_one(rows: Sequence[Row], number: str, *, refused: bool, trouble: str) -> str:
    """Does this chapter run here?"""
    chapter = next(one for one in CHAPTERS if one.number == number)
    lacks = lacking(rows, chapter)
    name = f"Chapter {number}, {chapter.title},"
    if refused:
        return f"{name} does not run here, {_REFUSED}."
    if trouble:
        return f"Whether chapter {number} runs here is not known: {trouble}"
    return f"{name} does not run here. It lacks {_list(lacks)}." if lacks else f"{name} runs here{_but(rows, chapter)}."


def about_all(rows: Sequence[Row], *, refused: bool, trouble: str) -> tuple[str, ...]:
    """One sentence for each group of chapters that have the same answer."""
    if refused:
        return (f"No chapter runs here, {_REFUSED}. The recorded outputs can be read.",)
    if trouble:
        return (f"Whether the chapters run here is not known: {trouble}",)
    groups: dict[tuple[tuple[Row, ...], str], list[str]] = {}
    for chapter in CHAPTERS:
        lacks = lacking(rows, chapter)
        groups.setdefault((lacks, "" if lacks else _but(rows, chapter)), []).append(chapter.number)
    return tuple(_runs(numbers, lacks, but) for (lacks, but), numbers in groups.items())


def _runs(numbers: list[str], lacks: tuple[Row, ...], but: str) -> str:
    one = len(numbers) == 1
    if not lacks:
        return f"{_chapters(numbers)} {'runs' if one else 'run'} here{but}."
    do, they = ("does", "It lacks") if one else ("do", "They lack")
    return f"{_chapters(numbers)} {do} not run here. {they} {_list(lacks)}."


def _list(lacks: Iterable[Row]) -> str:
    """Kernel features, then programs: ``bridge`` is the name of one of each."""
    rows = dict.fromkeys(lacks)
    features = ", ".join(row.name for row in rows if not row.package)
    programs = ", ".join(row.name for row in rows if row.package)
    plural = "s" if "," in programs else ""
    return " and ".join(part for part in (features, programs and f"the program{plural} {programs}") if part)


def _chapters(numbers: list[str]) -> str:
    return f"{'Chapter' if len(numbers) == 1 else 'Chapters'} {spans(numbers)}"


def spans(numbers: Iterable[str]) -> str:
    """00, 01, 02, 05 is 00–02, 05."""
    found: list[list[str]] = []
    for number in numbers:
        if found and int(number) == int(found[-1][-1]) + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(span[0] if len(span) == 1 else f"{span[0]}–{span[-1]}" for span in found)
