"""Documentation site: `python -m pumpwatch.documentation.site [FOLDER]` builds it from docs/ with zensical.

It is for publication on any web server; the dashboard shows the same pages without it. Pages are staged first: links
that leave docs/ lead to a staged copy, or become plain text.
"""

from __future__ import annotations

import os.path
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from dashboard.data.manual_map import TOP_PAGES, navigation

ROOT: Final = Path(__file__).resolve().parents[2]
BUILT: Final = ROOT / "build" / "site"
_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")
_LINK: Final = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


class SiteError(Exception):
    """The site cannot be built; the text says why and what to do."""


def main(arguments: Sequence[str]) -> int:
    """Build the site into `build/site`, or into the folder that is named."""
    into = Path(arguments[0]).resolve() if arguments else BUILT
    try:
        build(ROOT, into)
    except SiteError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"built {into}\n")
    return 0


def build(root: Path, into: Path) -> None:
    """Build the site of the repository at `root` into a folder; raises `SiteError` if a link leads nowhere."""
    with tempfile.TemporaryDirectory() as work:
        built = _built(root, Path(work))
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(built, into)


def _built(root: Path, work: Path) -> Path:
    """Return the site as the generator writes it below `work`."""
    stage(root, work / "docs")
    (work / "mkdocs.yml").write_bytes(msgspec.json.encode(configuration(work / "docs")))  # JSON is YAML as well
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        hint = " Install zensical with: pip install 'pumpwatch[docs]'" if "No module named" in done.stderr else ""
        said = _COLORS.sub("", done.stdout or done.stderr)
        raise SiteError(f"The documentation site was not built.{hint}\n{said}")
    return work / "site"


def stage(root: Path, pages: Path) -> None:
    """Copy docs/ and the pages beside it into a folder, with links that hold there."""
    shutil.copytree(root / "docs", pages)
    for name in TOP_PAGES:
        shutil.copyfile(root / name, pages / name)
    decisions = sorted(pages.glob("adr/*.md"))
    titles = (f"- [{page.read_text('utf-8').partition(chr(10))[0].lstrip('# ')}]({page.name})" for page in decisions)
    (pages / "adr" / "index.md").write_text("\n".join(["# Decisions", "", *titles, ""]), encoding="utf-8")
    for page in pages.rglob("*.md"):
        name = page.relative_to(pages).as_posix()
        page.write_text(with_links(page.read_text("utf-8"), name, pages, root), encoding="utf-8")


def with_links(text: str, name: str, pages: Path, root: Path) -> str:
    """Return the text of the page `name` of the site; links to files of `root` that are no part of it become text.

    Links that lead nowhere stay as they are: the build stops at them.
    """
    folder = name.rpartition("/")[0]

    def moved(match: re.Match[str]) -> str:
        label, target, anchor = match[1], match[2], match[3] or ""
        found = os.path.normpath(f"{folder or '.'}/{target}")
        inside = root / ("." if name in TOP_PAGES else "docs") / found
        if name in TOP_PAGES and found.startswith("docs/"):
            found = found.removeprefix("docs/")
        found = found.removeprefix("../")
        if (pages / found).is_dir() and (pages / found / "index.md").exists():
            found += "/index.md"
        if not (pages / found).is_file():
            return label if inside.exists() else match[0]
        return f"[{label}]({os.path.relpath(found, folder or '.')}{anchor})"

    return _LINK.sub(moved, text)


def configuration(pages: Path) -> dict[str, Any]:
    """Return the configuration of the site generator: no fonts and scripts of third parties, addresses of files."""
    return {
        "site_name": "Pumpwatch",
        "site_description": "Live monitoring of simulated implanted pumps. A simulation, no medical device.",
        "copyright": "A simulation, no medical device. Nothing here is clinical advice.",
        "docs_dir": "docs",
        "site_dir": "site",
        "use_directory_urls": False,
        "nav": navigation([path.relative_to(pages).as_posix() for path in pages.rglob("*.md")]),
        "extra": {"generator": False},
        "theme": {
            "language": "en",
            "font": False,
            "features": ["content.code.copy", "navigation.path", "navigation.top", "search.highlight"],
            "palette": [
                {"media": "(prefers-color-scheme: light)", "scheme": "default"},
                {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
            ],
        },
        "markdown_extensions": [
            "attr_list",
            "tables",
            {"toc": {"permalink": True}},
            "pymdownx.highlight",
            "pymdownx.superfences",
        ],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
