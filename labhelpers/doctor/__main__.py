"""``python -m labhelpers.doctor [--json] [CHAPTER]``: the same report in a terminal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from labhelpers.doctor import doctor
from labhelpers.errors import LabError


def main(arguments: list[str]) -> int:
    """Print the report; the exit status says whether the chapters run here."""
    as_json = "--json" in arguments
    words = [word for word in arguments if word != "--json"]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        print("usage: python -m labhelpers.doctor [--json] [CHAPTER]", file=sys.stderr)
        return 2
    try:
        report = doctor(*words)
    except LabError as error:
        print(error, file=sys.stderr)
        return 2
    if as_json:
        facts = {"ok": report.ok, "sentences": report.sentences, "refusal": report.refusal, "trouble": report.trouble}
        machine, rows = asdict(report.machine), [asdict(row) for row in report.rows]
        print(json.dumps({**facts, "machine": machine, "rows": rows}, indent=1))
    else:
        print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
