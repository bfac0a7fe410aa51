"""Build the site: the chapters as they were recorded and the pages in docs/, for a browser without any server.

usage: python tools/site.py [FOLDER]      default: docs/_build/html

No cell is run, and nothing is fetched.  A warning of Sphinx is an error, and so is a link that leads nowhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

CLONE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CLONE))

from tools.site_chapters import dark_style, page  # noqa: E402  (the clone must be on the path)
from tools.site_links import wrong_links  # noqa: E402

DOCS = CLONE / "docs"
SITE = DOCS / "_build/html"
#: pages that are kept at the top of the clone, where everybody looks for them
AT_THE_TOP = ("CHANGELOG.md", "CONTRIBUTING.md", "KNOWN_ISSUES.md")


def gather(source: Path) -> None:
    """Put all that pages are made of into one folder."""
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("_*", "conf.py"), dirs_exist_ok=True)
    for name in AT_THE_TOP:
        shutil.copy2(CLONE / name, source / f"{Path(name).stem.lower().replace('_', '-')}.md")
    for path in (CLONE / "notebooks").glob("*.md"):
        shutil.copy2(path, source)
    (source / "chapters").mkdir()
    for path in sorted((CLONE / "notebooks").glob("[0-9][0-9]-*.ipynb")):
        nbformat.write(page(path), source / "chapters" / path.name)


def build(site: Path) -> list[str]:
    """Build the site into a folder, which is emptied first; what is wrong with its links.

    Raises:
        CalledProcessError: Sphinx warned or failed; it has said what of.
    """
    shutil.rmtree(site, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="pod-networking-site-") as folder:
        source = Path(folder, "source")
        gather(source)
        options = ["-q", "-W", "--keep-going", "-c", str(DOCS), "-d", f"{folder}/doctrees"]
        subprocess.run([sys.executable, "-m", "sphinx", *options, str(source), str(site)], check=True)
    (site / "_static/dark.css").write_text(dark_style())
    return list(wrong_links(site))


def main(arguments: list[str]) -> int:
    """Build, and say where the site is; the exit status says whether all was well."""
    site = Path(arguments[0]) if arguments else SITE
    try:
        wrong = build(site)
    except subprocess.CalledProcessError:
        return 1
    print(*wrong, sep="\n") if wrong else print(f"The site is in {site}; open {site / 'index.html'}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
