"""This file is the alarm list of Pumpwatch itself: a row for each thing that can go wrong with disk, load or clock.

These rules judge readings (`processor.watch.readings`), not pumps. Their delays run on the wall clock, because machines do.
A row names what it looks at and its limit, and has what every rule has; `processor.watch.self_monitoring` does the rest.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.rules.measures import Measure
from processor.rules.reading_kinds import CAME, DROPPED, FULLNESS, LAG, LOST, REFUSED, RESENT, TROUBLE
from processor.rules.rule import MINUTE, Rule

RISES_OVER_S: Final = 10 * MINUTE
"""A count is judged by how much it rose in so many wall seconds."""
MAX_RESENT: Final = 0.2
"""Beyond this share gateways do nothing but come back; one outage in that time leaves a hundredth; modelling choice."""
MAX_REFUSED: Final = 100
"""So many refused messages in that time are more than a device or two that somebody tries out; modelling choice."""


def level(what: str, part: str | None = None) -> pl.Expr:
    """Score readings of a level, of one part or of all, against the limit they come with."""
    ours = (pl.col("what") == what) & (pl.lit(value=True) if part is None else pl.col("part") == part)
    return pl.when(ours).then(pl.col("value") / pl.col("limit"))


def rise(what: str, most: float = 1.0) -> pl.Expr:
    """Score how much counts rose within `RISES_OVER_S` against the most they may."""
    return pl.when(pl.col("what") == what).then(pl.col("rise") / most)


def share(what: str, of: str, most: float) -> pl.Expr:
    """Score how much one count rose within `RISES_OVER_S` for each that another did, against the most it may."""
    return pl.when(pl.col("what") == what).then(
        pl.col("rise") / (pl.col("rise").filter(pl.col("what") == of).sum() * most)
    )


def _shown(label: str, unit: str, limit: float | None = None) -> tuple[Measure, ...]:
    """Name the number that the alarm rests on; which part it is of is said with it."""
    column = "value" if limit is None else "rise"
    return (Measure(label, unit, lambda _: pl.col(column), limit=limit),)


_FAILS: Final = _shown("What fails", "")

SYSTEM_RULES: Final = (
    Rule(
        name="screens_frozen",
        title="Screens are not updated",
        priority="high",
        indicator=level(TROUBLE, "snapshot"),
        clock="wall",
        on_delay_s=15.0,
        off_delay_s=15.0,
        detection_target_h=0.02,
        meaning="The processor cannot write what the screens show. They stand still: a new alarm is not seen there.",
        action="Make room on its disk, or make it writable. Until then go by the pagers.",
        time_to_respond="none: new alarms are not seen",
        rationale="A pump in trouble would be found, but nobody who looks at the screens would know.",
        evidence=_FAILS,
        over_s=0.0,
    ),
    Rule(
        name="storage_failing",
        title="Nothing can be stored",
        priority="medium",
        indicator=level(TROUBLE, "storage"),
        clock="wall",
        on_delay_s=10.0,
        off_delay_s=30.0,
        detection_target_h=0.02,
        meaning="The processor cannot write to its disk. Pumps are watched and alarms raised all the same, but nothing "
        "is acknowledged: broker and gateways keep what comes, and nobody's action is confirmed.",
        action="Make room on the disk, or make it writable. It goes on by itself; do not restart the processor.",
        time_to_respond="until the gateways' outboxes are full",
        rationale="Nothing is lost yet; a full outbox or a crash loses samples and what people did.",
        evidence=_FAILS,
        over_s=0.0,
        explains=("checkpoint_failing", "bound_near", "bound_reached", "processor_lags", "merging_failing"),
    ),
    Rule(
        name="checkpoint_failing",
        title="Checkpoint cannot be written",
        priority="medium",
        indicator=level(TROUBLE, "checkpoint"),
        clock="wall",
        on_delay_s=10.0,
        off_delay_s=30.0,
        detection_target_h=0.02,
        meaning="What the processor knows cannot be saved. Samples are stored and pumps watched, but nothing is "
        "acknowledged and nobody's action is confirmed.",
        action="Make room on the disk, or make it writable. It goes on by itself; do not restart the processor.",
        time_to_respond="until the gateways' outboxes are full",
        rationale="After a crash now, what people did since the last checkpoint would have to be done again.",
        evidence=_FAILS,
        over_s=0.0,
        explains=("bound_near", "bound_reached", "processor_lags"),
    ),
    Rule(
        name="pumps_refused",
        title="Pumps are refused, as too many are known",
        priority="high",
        indicator=rise("refused pumps"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="More pumps or gateways send than this processor can know. Those beyond are not watched at all.",
        action="Read in the refused messages on the Pipeline page which they are. Give them a processor of their own.",
        time_to_respond="none: these pumps are not watched",
        rationale="No fault of a refused pump would be seen.",
        evidence=_shown("Refused since they are too many", "", 1.0),
        over_s=RISES_OVER_S,
        explains=("messages_refused", "bound_near"),
    ),
    Rule(
        name="processor_lags",
        title="Processor lags behind",
        priority="medium",
        indicator=level(LAG),
        clock="wall",
        on_delay_s=MINUTE,
        off_delay_s=MINUTE,
        detection_target_h=0.1,
        meaning="Samples reach the screens late, so alarms do too. Messages wait with broker and gateways, in order.",
        action="See on the Pipeline page whether samples come faster than usual, and what else runs on this machine. "
        "After an outage it catches up by itself; a single gateway with a wrong clock looks the same.",
        time_to_respond="as long as the gateways' outboxes have room",
        rationale="Alarms come later by the lag; nothing is lost yet.",
        evidence=_shown("From the gateway to the screens", "s"),
        over_s=0.0,
        explains=("bound_near", "bound_reached"),
    ),
    Rule(
        name="gateways_drop",
        title="Gateways drop samples",
        priority="medium",
        indicator=rise(DROPPED),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A gateway has kept samples until its outbox was full, and throws the oldest away. They are lost.",
        action="See why what it sends is not taken: broker, network, or the disk of the processor.",
        time_to_respond="none: samples are being lost",
        rationale="What is gone cannot be judged; slow faults are then found later.",
        evidence=_shown("Samples dropped", "samples", 1.0),
        over_s=RISES_OVER_S,
        explains=("samples_missing",),
    ),
    Rule(
        name="records_thrown_away",
        title="Records were thrown away",
        priority="medium",
        indicator=rise("thrown away"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="What waits to be written was more than there is room for. The oldest of it is gone for good.",
        action="Make the disk writable; then note by hand what people did meanwhile, as the journal lacks it.",
        time_to_respond="none: more is thrown away until the disk takes it",
        rationale="The journal is the only account of alarms and of what was done about them."
        " It stays until a person has filled the gap.",
        latch=True,
        evidence=_shown("Times something was thrown away", "", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="records_unreadable",
        title="Stored records could not be read",
        priority="medium",
        indicator=level(TROUBLE, "stored records"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="Part of what was stored could not be read at a start. It was moved aside and work went on without it.",
        action="Take what was moved aside out of the data directory and look at it (pumpwatch doctor). If it was the "
        "checkpoint, go through the open alarms.",
        time_to_respond="days, unless it was the checkpoint: then see now what stands",
        rationale="Alarms or acknowledgements from before may be missing; the disk may be failing.",
        evidence=_FAILS,
        over_s=0.0,
    ),
    Rule(
        name="samples_missing",
        title="Samples are lost for good",
        priority="low",
        indicator=rise(LOST),
        clock="wall",
        on_delay_s=MINUTE,
        off_delay_s=0.0,
        detection_target_h=0.1,
        meaning="Pumps have skipped numbers in their count of samples, and those did not come late either.",
        action="Sort the Pumps page by lost samples. One pump: its own line. All of a gateway: that gateway. All: the "
        "broker, as after it was killed.",
        time_to_respond="days, if what arrives is calm",
        rationale="With fewer samples everything is found later.",
        evidence=_shown("Samples lost", "samples", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="bound_near",
        title="Something is nearly full",
        priority="low",
        indicator=level(FULLNESS),
        clock="wall",
        on_delay_s=MINUTE,
        off_delay_s=MINUTE,
        detection_target_h=0.1,
        meaning="A queue, a table or a disk of the processor comes near its limit. Nothing is lost yet.",
        action="See which one below. A disk: make room. A table of pumps: plan a second processor. A queue: find out "
        "what holds it up.",
        time_to_respond="see how fast it fills on the Pipeline page",
        rationale="There is time to act before the limit is reached.",
        evidence=_shown("How full", "%"),
        over_s=0.0,
    ),
    Rule(
        name="bound_reached",
        title="A queue was full",
        priority="low",
        indicator=rise("waits"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="More came than there is room for. The rest waits with the broker, and nothing is lost.",
        action="If it comes again: see what makes the processor slow, or spread the fleet over several.",
        time_to_respond="as long as the broker has room",
        rationale="It costs time only; but the next bound behind it is the gateways' outboxes.",
        evidence=_shown("Times it was full", "", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="records_expire",
        title="Oldest records make room for new ones",
        priority="low",
        indicator=rise("oldest goes"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A store has reached the size it may have, and the oldest of it was removed. This is how it is set.",
        action="If the past must reach further back, give it more room (--history-size). Else take this alarm out of "
        "service.",
        time_to_respond="none needed",
        rationale="No harm to any pump; but a trend ends sooner than somebody may expect.",
        evidence=_shown("Times the oldest went", "", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="messages_refused",
        title="Many messages are refused",
        priority="low",
        indicator=rise(REFUSED, MAX_REFUSED),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.2,
        meaning="Messages come that cannot be read, or name pumps that their gateway does not speak for.",
        action="Read topics and reasons of the latest on the Pipeline page, and tell who runs that gateway or device.",
        time_to_respond="days, unless a pump sends nothing else: then it is silent as well",
        rationale="What is refused is not judged; a pump that is refused altogether is told as silent.",
        evidence=_shown("Messages refused", "messages", MAX_REFUSED),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="samples_resent",
        title="Gateways send the same again and again",
        priority="low",
        indicator=share(RESENT, of=CAME, most=MAX_RESENT),
        clock="wall",
        on_delay_s=2 * MINUTE,
        off_delay_s=0.0,
        detection_target_h=0.2,
        meaning="A large part of what comes was here before: gateways lose their connection and send it again, or what "
        "lies between passes everything on twice. Nothing is lost; what comes twice is left out.",
        action="See on the Pipeline page which gateways send again, and to their network. If all do, look for a bridge "
        "between brokers that hears itself.",
        time_to_respond="days, if nothing is late",
        rationale="No harm to any pump; but lines that break often will break for long, and it is twice the load.",
        evidence=_shown("Samples sent again", "samples", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="merging_failing",
        title="History cannot be put together",
        priority="low",
        indicator=level(TROUBLE, "merging"),
        clock="wall",
        on_delay_s=5 * MINUTE,
        off_delay_s=MINUTE,
        detection_target_h=0.2,
        meaning="Small files of the history cannot be merged. Nothing is lost, but trends become slow and take room.",
        action="Read the reason below; most often the disk is full or a file belongs to somebody else.",
        time_to_respond="days; trends get slower meanwhile",
        rationale="No harm to any pump.",
        evidence=_FAILS,
        over_s=0.0,
    ),
    Rule(
        name="clock_set",
        title="Clock of this machine was set",
        priority="low",
        indicator=level(TROUBLE, "clock"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="The clock on the wall was set, on or back. Silence is counted on from where it was; nothing is lost.",
        action="See that this machine keeps time by itself (NTP). Journal entries from now on have the new time.",
        time_to_respond="days, if it stays as it is",
        rationale="No harm to any pump; but times in the journal do not fit together across the step.",
        evidence=_FAILS,
        over_s=0.0,
    ),
)
"""Alarms about Pumpwatch itself. Their subject is a part of the system; nothing of a pump is explained by them."""
