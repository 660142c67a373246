"""Map of the documentation: which page stands where, in the four kinds of Diátaxis."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

Titles = dict[str, str]
"""Title in the navigation of each page."""

HOME: Final = "index.md"
TOP_PAGES: Final = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
"""Pages beside docs/ that are part of the documentation."""
HOW_TO: Final[dict[str, Titles]] = {
    "For monitoring staff": {"how-to/monitoring-staff.md": "Work through the alarms"},
    "For engineers": {
        "how-to/engineers.md": "Make a pump fail and find out",
        "connect-a-client.md": "Connect a client",
        "api.md": "Use the HTTP API",
        "fhir.md": "Use FHIR and HL7",
    },
    "For load testers": {
        "how-to/load-testers.md": "Find the limit",
        "load.md": "Profiles and reports",
        "benchmarks.md": "Benchmarks",
    },
    "For operators": {
        "how-to/operators.md": "Keep it running",
        "deploy-securely.md": "Deploy on a network",
        "containers.md": "Run in containers",
        "reverse-proxy.md": "Put it behind a reverse proxy",
        "access.md": "Add gateways and keys",
        "access-people.md": "Add people",
        "access-audit.md": "Read the audit trail",
        "notifications.md": "Notify people",
        "alarm-management.md": "Silence and rationalize alarms",
        "backup.md": "Back up and restore",
        "operate.md": "Watch the system itself",
        "cluster.md": "Run a cluster",
    },
}
EXPLANATION: Final[Titles] = {
    "simulated.md": "What is simulated",
    "architecture.md": "Architecture",
    "cluster-merging.md": "What spans ranges of a cluster",
    "scorecard.md": "How well detection works",
    "forecasts.md": "How well forecasts work",
    "delivery-guarantees.md": "Delivery guarantees",
    "ingest.md": "What is accepted",
    "scaling.md": "Scaling on paper",
    "dependencies.md": "Dependencies",
    "CONTRIBUTING.md": "Contributing",
    "SECURITY.md": "Security",
    "CHANGELOG.md": "Changelog",
}
REFERENCE: Final[Titles] = {
    "reference/cli.md": "Command line",
    "reference/settings.md": "Settings",
    "reference/signals.md": "Signals",
    "reference/faults.md": "Faults, with pictures",
    "reference/rules.md": "Rules",
    "reference/alarms.md": "Alarms and events",
    "reference/codes.md": "Codes: IEEE 11073 and UCUM",
    "reference/topics.md": "Topics and payloads",
    "reference/broker-access.md": "Broker access",
    "reference/metrics.md": "Metrics",
    "reference/http-api.md": "HTTP API",
}


def navigation(found: Collection[str]) -> list[dict[str, Any]]:
    """Return the navigation of pages by their names (such as `how-to/engineers.md`), as site generators read it.

    A page that no row names stands at the end of its kind, by its name alone: nothing is left out.
    """
    named = {
        HOME,
        "tutorial.md",
        "glossary.md",
        *EXPLANATION,
        *REFERENCE,
        *(page for part in HOW_TO.values() for page in part),
    }
    rest = sorted(set(found) - named)

    def rows(titles: Titles, folder: str | None) -> list[Any]:
        listed = [{title: page} for page, title in titles.items() if page in found]
        return [*listed, *(page for page in rest if folder is not None and page.rpartition("/")[0] == folder)]

    last = list(HOW_TO)[-1]
    return [
        {"Home": HOME},
        {"Tutorial": "tutorial.md"},
        {"How to": [{heading: rows(part, "" if heading == last else None)} for heading, part in HOW_TO.items()]},
        {"Reference": rows(REFERENCE, "reference")},
        {"Explanation": rows(EXPLANATION, "explanation")},
        {"Glossary": "glossary.md"},
        {"Decisions": rows({}, "adr")},
    ]
