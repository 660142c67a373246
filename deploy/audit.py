"""Verdict on a report of pip-audit: `python deploy/audit.py REPORT.json`.

Exit code 0 if every package was looked up and none has a known vulnerability, 1 if one has, 2 if the report is missing
or says nothing about some packages. pip-audit itself ends with 0 although its database knew no package at all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

VULNERABLE: Final = 1
UNKNOWN: Final = 2
OWN: Final = "pumpwatch"
"""Installed as well, but no package of PyPI."""
MAX_NAMED: Final = 10
"""Packages that a sentence names."""


def verdict(packages: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Return the exit code and what to print; `packages` are the `dependencies` of the report."""
    packages = [package for package in packages if package["name"] != OWN]
    vulnerable = [package for package in packages if package.get("vulns")]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    lines = [
        f"{package['name']} {package['version']}: {found['id']}; {_remedy(found['fix_versions'])}"
        for package in vulnerable
        for found in package["vulns"]
    ]
    if skipped:
        named = ", ".join(skipped[:MAX_NAMED]) + (", …" if len(skipped) > MAX_NAMED else "")
        lines.append(
            f"{len(skipped)} of {len(packages)} packages were not looked up ({named}): the advisory database did not "
            "answer or does not know them, and the result says nothing about them. Run it again where PyPI itself can "
            "be reached."
        )
    if vulnerable:
        return VULNERABLE, lines
    if skipped or not packages:
        return UNKNOWN, lines or ["the report lists no package; was the environment installed?"]
    return 0, [f"{len(packages)} packages looked up, no known vulnerability"]


def _remedy(versions: list[str]) -> str:
    return f"fixed in {' and '.join(versions)}" if versions else "no fixed version yet"


def main(report: Path) -> int:
    """Print the verdict on a report and return the exit code."""
    try:
        packages = json.loads(report.read_text("utf-8"))["dependencies"]
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(
            f"pip-audit left no report that can be read in {report} ({error!r}); most likely its database could not be "
            "reached. Nothing was audited.\n"
        )
        return UNKNOWN
    code, lines = verdict(packages)
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
