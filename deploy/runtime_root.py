"""Root file system of an image: some programs, perhaps Python, the libraries that they load, and nothing else.

Run while the image is built. What stays out: shells, package manager, programs that change users. What an image scanner
needs to recognize the libraries (the entries of Debian's package database) is written to `/var/lib/dpkg/status.d`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

STANDARD_LIBRARY: Final = Path(sysconfig.get_paths()["stdlib"])
NOT_NEEDED: Final = (
    "site-packages",
    "dist-packages",
    "test",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "tkinter",
    "turtledemo",
    "pydoc_data",
)
"""Folders of the standard library that nothing at run time imports."""
LOADED_BY_NAME: Final = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2")
"""Libraries that the C library opens itself, if the system has them as files."""
CONFIGURATION: Final = (
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/ssl/certs",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
)
USERS: Final = {
    "/etc/passwd": "root:x:0:0:root:/:/nologin\npumpwatch:x:10001:10001::/data:/nologin\n",
    "/etc/group": "root:x:0:\npumpwatch:x:10001:\n",
}
PROGRAM_FOLDERS: Final = ("bin", "sbin")
MERGED: Final = ("bin", "lib", "lib64", "sbin")
"""Links of today's Debian from / into /usr."""


def libraries(binaries: Iterable[Path]) -> set[Path]:
    """Return the shared libraries that the dynamic linker loads for programs and modules."""
    listed = output("/usr/bin/ldd", *map(str, binaries))
    return {Path(found) for found in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", listed, re.MULTILINE)}


def opened_by_name(beside: Path) -> Iterator[Path]:
    """Yield libraries that no program names, from the folder of the C library."""
    yield from (path for name in LOADED_BY_NAME if (path := beside / name).exists())


def standard_library() -> Iterator[Path]:
    """Yield the files of the standard library, without bytecode and without what is not needed."""
    for path in STANDARD_LIBRARY.rglob("*"):
        parts = path.relative_to(STANDARD_LIBRARY).parts
        if (
            path.is_file()
            and parts[0] not in NOT_NEEDED
            and path.suffix != ".pyc"
            and not parts[0].startswith("config-")
        ):
            yield path


def copy(path: Path, root: Path) -> None:
    """Copy a file or folder to the same place below `root`; of a link also what it points to."""
    place = root / path.parent.resolve().relative_to("/") / path.name
    if place.exists() or place.is_symlink():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        place.symlink_to(path.readlink())
        copy(path.parent / path.readlink(), root)
    elif path.is_dir():
        shutil.copytree(path, place, symlinks=True)
    else:
        shutil.copy2(path, place)


def record_packages(files: Iterable[Path], root: Path) -> None:
    """Write the database entries of the Debian packages that the files belong to."""
    folder = root / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    names = sorted({variant for path in files for variant in (str(path), str(path.resolve()))})
    names += [name.removeprefix("/usr") for name in names if name.startswith("/usr/")]
    for package in {
        line.split(": ")[0].split(",")[0] for line in output("/usr/bin/dpkg-query", "-S", *names).splitlines()
    }:
        (folder / package.partition(":")[0]).write_text(output("/usr/bin/dpkg-query", "-s", package), "utf-8")


def output(*command: str) -> str:
    """Return what a program prints; its complaints about files that it does not know are of no interest."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 (a list, no shell)


def main() -> None:
    """Write the root file system that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="where to write it")
    parser.add_argument("programs", type=Path, nargs="*", help="programs that it needs")
    parser.add_argument("--python", action="store_true", help="Python and its standard library")
    parser.add_argument("--beside", type=Path, help="folder copied separately, whose libraries are needed too")
    chosen = parser.parse_args()
    files = [*chosen.programs, *([Path(sys.executable), *standard_library()] if chosen.python else ())]
    write(chosen.root, files, chosen.beside)


def write(root: Path, files: list[Path], beside: Path | None) -> None:
    """Write `files`, all libraries that they and those in `beside` load, and the configuration to `root`."""
    programs = [path.resolve() for path in files if path.suffix == ".so" or path.parent.name in PROGRAM_FOLDERS]
    needed = libraries([*programs, *(beside.rglob("*.so*") if beside else ())])
    needed = {path for path in needed if beside is None or not path.resolve().is_relative_to(beside)}
    needed |= set(opened_by_name(next(path.parent for path in needed if path.name.startswith("libc.so"))))
    root.mkdir(parents=True)
    for name in MERGED:
        if (link := Path("/", name)).is_symlink():
            (root / name).symlink_to(link.readlink())
    for path in (*files, *needed, *(path for name in CONFIGURATION if (path := Path(name)).exists())):
        copy(path, root)
    record_packages([*files, *needed], root)
    for name, text in USERS.items():
        (root / name.lstrip("/")).write_text(text, "utf-8")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


if __name__ == "__main__":
    main()
