"""What a running container may and may not do, seen from outside, and the dashboard as a browser would use it."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from compose_file import Service
from podman import Podman, StepError

NO_RIGHTS = 0
SUBSCRIBE = [
    "mosquitto_sub",
    "--host",
    "localhost",
    "--cafile",
    "/run/mosquitto/ca.pem",
    "-t",
    "#",
    "-C",
    "1",
    "-W",
    "3",
]


def confinement(podman: Podman, container: str, service: Service, user: int) -> None:
    """Raise `StepError` unless user, rights, root file system, limits and networks are those of the compose file."""
    found = podman.inspect(container)
    process = Path("/proc", str(found["State"]["Pid"]))
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    demand(service, set(status["Uid"].split()) == {str(user)}, f"runs as user {status['Uid']}")
    demand(service, int(status["CapEff"], 16) == NO_RIGHTS, f"has capabilities {status['CapEff']}")
    demand(service, status["NoNewPrivs"] == "1", "may gain privileges")
    demand(service, found["HostConfig"]["Memory"] > 0, "has no limit of memory")
    demand(service, found["HostConfig"]["PidsLimit"] == service.options["pids_limit"], "has another limit of processes")
    try:
        (process / "root" / "written").write_text("by a test")
    except OSError as error:
        demand(service, "Read-only" in str(error), f"the root file system refused with {error}")
    else:
        demand(service, False, "the root file system can be written")
    demand(service, "not found" in podman("exec", container, "sh", "-c", "true", check=False), "there is a shell")
    routes = [line.split()[1] for line in (process / "net/route").read_text().splitlines()[1:]]
    demand(service, ("00000000" in routes) == ("browsers" in service.options["networks"]), f"routes are {routes}")


def closed_broker(podman: Podman, container: str) -> None:
    """Raise `StepError` unless the broker refuses who has no login, and who has a wrong one, at both listeners."""
    for port in ("8883", "8885"):
        for login in ([], ["-u", "_processor", "-P", "wrong"]):
            words = ["exec", "--env=XDG_CONFIG_HOME=/none", container, *SUBSCRIBE, "--port", port, *login]
            said = podman(*words, check=False)
            if "not authori" not in said.lower():
                raise StepError(f"the broker at {port} did not refuse {login or 'a client without a login'}: {said}")


def gateway_let_in(podman: Podman, container: str, user: str, password: str) -> None:
    """Raise `StepError` unless the broker lets in a gateway; it waits for commands of its own, and gets none."""
    words = [*SUBSCRIBE[:5], "--port", "8883", "-u", user, "-P", password, "-t", f"itb/+/{user}/command", "-W", "2"]
    said = podman("exec", "--env=XDG_CONFIG_HOME=/none", container, *words, check=False)
    if "timed out" not in said.lower():
        raise StepError(f"the broker did not let in the gateway {user}: {said}")


def sign_in(port: int, authority: Path, name: str, password: str) -> None:
    """Sign in over TLS and open the overview; raises `StepError` unless that works, and a wrong password does not."""
    address = f"https://localhost:{port}"
    trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority))
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()), trusting)
    opener.addheaders = [("Origin", address)]

    def post(given: str) -> int:
        form = urllib.parse.urlencode({"name": name, "password": given, "next": "/"}).encode()
        try:
            with opener.open(f"{address}/sign-in", form, timeout=20) as answer:
                return int(answer.status) if answer.url == f"{address}/" else 0
        except urllib.error.HTTPError as error:
            return error.code

    if (wrong := post("not the password")) != 401:
        raise StepError(f"a wrong password got {wrong}")
    if (right := post(password)) != 200:
        raise StepError(f"the right password got {right}")
    with opener.open(f"{address}/live", timeout=20) as answer:
        if answer.status != 200 or b"alarms" not in answer.read():
            raise StepError("/live does not say what it should")


def memory_mb(podman: Podman, containers: dict[str, str]) -> dict[str, float]:
    """Return the resident memory of the first process of each container, in MB."""
    found = {}
    for name, container in containers.items():
        status = Path("/proc", str(podman.inspect(container)["State"]["Pid"]), "status").read_text()
        found[name] = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1000
    return found


def cpu_s(podman: Podman, container: str) -> float:
    """Return the CPU time that the first process of a container has used, in s."""
    fields = (
        Path("/proc", str(podman.inspect(container)["State"]["Pid"]), "stat").read_text().rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def demand(service: Service, holds: bool, otherwise: str) -> None:
    """Raise `StepError` with what is wrong with a service unless something holds."""
    if not holds:
        raise StepError(f"{service.name}: {otherwise}")
