"""Images for a trial: a base of Debian's packages or of a registry, and the two targets of the Dockerfile from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from podman import Podman, StepError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "python3,python3-venv,ca-certificates,tzdata,binutils,mosquitto,mosquitto-clients"
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
BASE = "localhost/pumpwatch-base:latest"


def debian_base(podman: Podman, mirror: str) -> str:
    """Make a base image with debootstrap and return its name; takes about a minute, and no registry."""
    place = podman.directory / "base"
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(place), mirror]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise StepError(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-1000:]}")
    archive = podman.directory / "base.tar"
    subprocess.run(["tar", "-C", str(place), "-cf", str(archive), "."], check=True, timeout=300)
    podman("import", "--quiet", str(archive), BASE, timeout=300)
    archive.unlink()
    shutil.rmtree(place)
    return BASE


def build(podman: Podman, base: str, target: str, image: str) -> None:
    """Build a target of the Dockerfile with pip's settings of this machine, which do not stay in the image."""
    pip, mounts = pip_settings(podman.directory)
    options = ["--isolation=chroot", f"--build-arg=BASE={base}", f"--target={target}", f"--tag={image}"]
    podman(
        "build",
        *options,
        f"--secret=id=pip,src={pip}",
        *(f"--volume={mount}" for mount in mounts),
        str(ROOT),
        timeout=1800,
    )


def pip_settings(directory: Path) -> tuple[Path, list[str]]:
    """Return a pip.conf with this machine's indexes and certificates, and what to mount so that they are found."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, cwd="/"
    ).stdout
    values = dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)
    found = {name.split(".", 1)[1]: value.strip("'").replace("\\n", " ") for name, value in values.items()}
    kept = {name: found[name] for name in ("index-url", "extra-index-url", "trusted-host", "cert") if name in found}
    mounts = []
    if "cert" in kept:
        mounts.append(f"{kept['cert']}:/run/pip-certificates.pem:ro")
        kept["cert"] = "/run/pip-certificates.pem"
    folders = [
        Path(unquote(urlsplit(word).path)) for name in kept for word in kept[name].split() if word.startswith("file:")
    ]
    mounts += [f"{folder.parent}:{folder.parent}:ro" for folder in folders]
    file = directory / "pip.conf"
    file.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in kept.items()))
    return file, mounts
