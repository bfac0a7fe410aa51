"""``python -m labhelpers.course report|minutes|handout``: for who teaches."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from labhelpers.course.classroom.claims import Claim, claims
from labhelpers.course.classroom.handout import hand_out
from labhelpers.course.classroom.notebook import read
from labhelpers.course.classroom.rerun import compared
from labhelpers.course.classroom.timing import Worked, worked
from labhelpers.errors import LabError

__all__ = ["main"]

Row = TypeVar("Row")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; the exit status is 1 if a file could not be used, or a second run did not confirm it."""
    parser = argparse.ArgumentParser(prog="python -m labhelpers.course", description="For who teaches the course.")
    verbs = parser.add_subparsers(required=True, metavar="report|minutes|handout")
    report = verbs.add_parser("report", help="what learners' notebooks say about each exercise")
    report.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    report.add_argument("--format", choices=("csv", "json"), default="csv")
    report.add_argument("--rerun", action="store_true", help="run each once more in a sandbox, and compare")
    report.set_defaults(do=_report)
    minutes = verbs.add_parser("minutes", help="how long learners worked on each notebook")
    minutes.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    minutes.add_argument("--format", choices=("csv", "json"), default="csv")
    minutes.set_defaults(do=_minutes)
    handout = verbs.add_parser("handout", help="copies of chapters without solutions and outputs, and their pages")
    handout.add_argument("folder", type=Path, metavar="FOLDER", help="where the copies go")
    handout.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    handout.set_defaults(do=_handout)
    options = parser.parse_args(arguments)
    status: int = options.do(options)
    return status


def _report(options: argparse.Namespace) -> int:
    def unusable(path: Path, error: LabError) -> Claim:
        """A row of its own, so that who handed it in is not missing from the table."""
        return Claim(str(path), "", "", False, note=error.what)

    found, bad = _from_each(options.notebooks, compared if options.rerun else claims, unusable)
    rows = [asdict(claim) for claim in found]
    if options.format == "csv":
        rows = [{**row, "passed": "yes" if row["passed"] else "no"} for row in rows]
    _write(options.format, rows, Claim)
    return 1 if bad or any(claim.rerun == "not confirmed" for claim in found) else 0


def _minutes(options: argparse.Namespace) -> int:
    found, bad = _from_each(options.notebooks, lambda path, notebook: [worked(path, notebook)])
    _write(options.format, [asdict(one) for one in found], Worked)
    return 1 if bad else 0


def _from_each(
    paths: Sequence[Path],
    look: Callable[[Path, Any], Iterable[Row]],
    unusable: Callable[[Path, LabError], Row] | None = None,
) -> tuple[list[Row], bool]:
    """What a look at each notebook finds, and whether one could not be used: that keeps nobody else's out."""
    found: list[Row] = []
    bad = False
    for path in paths:
        try:
            found.extend(look(path, read(path)))
        except LabError as error:
            print(error, file=sys.stderr)
            bad = True
            if unusable:
                found.append(unusable(path, error))
    return found, bad


def _write(format: str, rows: Sequence[dict[str, Any]], kind: type) -> None:
    if format == "json":
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = csv.DictWriter(sys.stdout, [field.name for field in fields(kind)], lineterminator="\n")
    table.writeheader()
    table.writerows({name: _inert(value) for name, value in row.items()} for row in rows)


def _inert(value: Any) -> Any:
    """What no spreadsheet takes for a formula: a learner chooses names of files and writes anything into one."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _handout(options: argparse.Namespace) -> int:
    try:
        for path in hand_out(options.notebooks, options.folder):
            print(path)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
