"""Rules about access to Pumpwatch: commands that are refused, claims of pumps, rates, and second processors."""

from __future__ import annotations

from typing import Final, Literal

from processor.rules.indicators import FAILURES, RISES_OVER_S, level, measure, rise
from processor.rules.reading_kinds import CLAIMED, FORGED, TROUBLE
from processor.rules.rule import Rule

SECOND_PROCESSOR: Final = "second processor"
"""The trouble of a processor that met another one at its broker."""
RATE_EXCEEDED: Final[Literal["rate exceeded"]] = "rate exceeded"
"""What happens beyond a rate limit, as in `broker.store.snapshot.CapacityLimit.when_full`."""

ACCESS_RULES: Final = (
    Rule(
        name="commands_forged",
        title="Unauthorized commands refused",
        priority="medium",
        indicator=rise(FORGED),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A command to a gateway or an operator action was not signed by the dashboard or the command line of "
        "this system, or is older than a minute, or was replayed. It was not carried out.",
        action="See the entries “forged” in the journal: topic, key, and whom it claims to be from. If a program of "
        "yours sent it, it must sign. If not, find who may write to the broker, and change passwords and keys.",
        time_to_respond="hours; nothing was carried out",
        rationale="Someone who tries to command pumps may find another way.",
        evidence=measure("Refused commands and actions", "", 1.0),
        over_s=RISES_OVER_S,
        explains=("messages_refused",),
    ),
    Rule(
        name="pumps_claimed",
        title="Pump claimed by another gateway",
        priority="medium",
        indicator=rise(CLAIMED),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A gateway introduced itself with pumps that another gateway delivers at this time. They stay with the "
        "gateway that delivers them; samples of the other one are refused.",
        action="See on the Pipeline page which gateway claims which pump. If it is right, move the pump with "
        "`pumpwatch pump transfer`. If not, correct the list of pumps of that gateway, or find out who it is.",
        time_to_respond="hours, if the gateway that delivers the pump is the right one",
        rationale="If the claim is right, nobody judges the samples of the new gateway.",
        evidence=measure("Claims refused", "pumps", 1.0),
        over_s=RISES_OVER_S,
        explains=("messages_refused",),
    ),
    Rule(
        name="rate_exceeded",
        title="Rate limit exceeded",
        priority="medium",
        indicator=rise(RATE_EXCEEDED),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="More arrived than the limits allow: messages or births of one gateway, or gateways or pumps that were "
        "never heard of. What was beyond the limit was refused; pumps among it are not monitored.",
        action="See on the Pipeline page which limit it was, and from where. If it is right, raise the limit "
        "(`pumpwatch process --help`). If not, find out who sends it.",
        time_to_respond="minutes, if pumps of yours are among it",
        rationale="Gateways and pumps that somebody makes up would use up memory and hide the real ones.",
        evidence=measure("Times beyond the limit", "", 1.0),
        over_s=RISES_OVER_S,
        explains=("messages_refused",),
    ),
    Rule(
        name="second_processor",
        title="Second processor on the broker",
        priority="medium",
        indicator=level(TROUBLE, SECOND_PROCESSOR),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="Another processor connected to the broker of this one. Two would both confirm samples and act on "
        "alarms, so the newer one refuses to run.",
        action="Read below on which host it runs. Stop it, or give it another broker. If nobody knows it, change the "
        "password of the processors at the broker.",
        time_to_respond="hours; this processor goes on",
        rationale="If it is no Pumpwatch, it may read everything and confirm samples that nobody judged.",
        evidence=FAILURES,
        over_s=0.0,
    ),
)
"""Their subject is a part of the system, as of all rules about Pumpwatch itself."""
