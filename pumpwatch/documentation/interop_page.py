"""Reference of codes: IEEE 11073 terms and UCUM units of signals and rules, as FHIR and PCD-04 carry them."""

from __future__ import annotations

from collections.abc import Iterator

from broker.contract import mdc
from pumpwatch.commands.tables import rule_rows, signal_rows
from pumpwatch.documentation.markdown import code, page, table


def codes_page() -> str:
    """Return the reference of the codes of signals and rules, and of all terms with their sources."""
    signals = ((code(r["name"]), r["title"], code(r["ucum"]), *_term(r["mdc"])) for r in signal_rows())
    rules = ((code(r["name"]), r["title"], *_term(r["mdc"])) for r in rule_rows())
    return page(
        "Codes",
        "Codes of signals and alarms in [FHIR resources and PCD-04 messages](../fhir.md). IEEE 11073 terms (MDC) are "
        "the closest ones of ISO/IEEE 11073-10101; a term may be wider than the rule, and our own name stands beside "
        "it. Without a term there is our own name alone; an alarm then is `MDC_EVT_ALARM` in PCD-04. Units are UCUM.",
        "## Signals",
        table(("signal", "title", "UCUM", "term", "code"), signals),
        "## Rules",
        table(("rule", "title", "term", "code"), rules),
        "## Terms\n\nThe code is `partition * 65536 + element`. The source is where the code is stated publicly; the "
        "standard itself is not public.",
        table(("term", "meaning", "partition", "element", "code", "source"), _terms()),
    )


def _term(reference: str) -> tuple[str, str]:
    found = mdc.TERM_BY_REFERENCE.get(reference)
    return ("none", "") if found is None else (code(found.reference), str(found.code))


def _terms() -> Iterator[tuple[str, ...]]:
    for term in mdc.TERMS:
        place = (str(term.partition), str(term.element), str(term.code))
        yield (code(term.reference), term.meaning, *place, term.source)
