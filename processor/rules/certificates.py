"""Rules about certificates that end: of the private authority, the broker and the dashboard."""

from __future__ import annotations

from typing import Final

from processor.rules.indicators import FAILURES, level
from processor.rules.reading_kinds import TROUBLE
from processor.rules.rule import Rule

SOON: Final = "certificate"
"""The trouble of a certificate that ends within 30 days."""
URGENT: Final = "certificate ending"
"""The trouble of a certificate that ends within 7 days, or has ended."""

CERTIFICATE_RULES: Final = (
    Rule(
        name="certificate_ending",
        title="Certificate expires within days",
        priority="medium",
        indicator=level(TROUBLE, URGENT),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=1.1,
        meaning="A certificate expires within 7 days, or has expired. Then gateways or browsers no longer connect.",
        action="Do what is said below. Gateways and browsers use the new certificate at their next connection.",
        time_to_respond="days; after the end, gateways or people are locked out",
        rationale="Samples wait in the gateways and nobody judges them, or nobody sees the alarms.",
        evidence=FAILURES,
        over_s=0.0,
    ),
    Rule(
        name="certificate_expires",
        title="Certificate expires soon",
        priority="low",
        indicator=level(TROUBLE, SOON),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=1.1,
        meaning="A certificate expires within 30 days. Until then everything works.",
        action="Do what is said below, before it expires.",
        time_to_respond="weeks; everything works until then",
        rationale="No effect yet; a certificate that has expired locks gateways or people out.",
        evidence=FAILURES,
        over_s=0.0,
    ),
)
"""Their subject is a part of the system, as of all rules about Pumpwatch itself."""
