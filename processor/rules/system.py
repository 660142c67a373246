"""Rules about Pumpwatch itself: disk, load, capacity, redelivery and clock.

They judge readings of the system (`processor.watch.readings`), not pumps, so their delays run on wall-clock time.
An indicator names the reading and its limit; `processor.watch.self_monitoring` applies it.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.rules.measures import Measure
from processor.rules.reading_kinds import CAME, DROPPED, FULLNESS, LAG, LOST, REFUSED, RESENT, TROUBLE
from processor.rules.rule import MINUTE, Rule

RISES_OVER_S: Final = 10 * MINUTE
"""Wall seconds over which the rise of a counter is judged."""
MAX_REDELIVERED_SHARE: Final = 0.2
"""Share of redelivered samples at the limit; a single outage in that time causes about a hundredth; modeling choice."""
MAX_REJECTED: Final = 100
"""Rejected messages in that time at the limit, more than a device or two under test produce; modeling choice."""


def level(what: str, part: str | None = None) -> pl.Expr:
    """Return the score of level readings, of one part or of all, against the limit in the reading."""
    selected = (pl.col("what") == what) & (pl.lit(value=True) if part is None else pl.col("part") == part)
    return pl.when(selected).then(pl.col("value") / pl.col("limit"))


def rise(what: str, most: float = 1.0) -> pl.Expr:
    """Return the score of a counter's rise within `RISES_OVER_S` against its limit `most`."""
    return pl.when(pl.col("what") == what).then(pl.col("rise") / most)


def share(what: str, of: str, most: float) -> pl.Expr:
    """Return the score of one counter's rise within `RISES_OVER_S`, as a share of another's, against a limit."""
    return pl.when(pl.col("what") == what).then(
        pl.col("rise") / (pl.col("rise").filter(pl.col("what") == of).sum() * most)
    )


def _measure(label: str, unit: str, limit: float | None = None) -> tuple[Measure, ...]:
    """Return the one measure that supports the alarm: the level, or the rise if it has a limit."""
    column = "value" if limit is None else "rise"
    return (Measure(label, unit, lambda _: pl.col(column), limit=limit),)


_FAILURES: Final = _measure("Failures", "")

SYSTEM_RULES: Final = (
    Rule(
        name="screens_frozen",
        title="Dashboards not updating",
        priority="high",
        indicator=level(TROUBLE, "snapshot"),
        clock="wall",
        on_delay_s=15.0,
        off_delay_s=15.0,
        detection_target_h=0.02,
        meaning="The processor cannot write the data that dashboards show. They are frozen: new alarms do not appear.",
        action="Free disk space or make the disk writable. Until then, rely on pagers.",
        time_to_respond="none: new alarms do not appear",
        rationale="A pump fault would be detected, but nobody looking at the dashboards would know.",
        evidence=_FAILURES,
        over_s=0.0,
    ),
    Rule(
        name="processing_failing",
        title="Processing error",
        priority="medium",
        indicator=level(TROUBLE, "processing"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A message caused an error that nobody foresaw. It was quarantined; all others are processed.",
        action="Note the message on the Pipeline page and report it. If the error recurs, find its sender.",
        time_to_respond="hours, if pumps of the sender are not silent",
        rationale="What the message contained was not judged.",
        evidence=_FAILURES,
        over_s=0.0,
    ),
    Rule(
        name="storage_failing",
        title="Storage failure",
        priority="medium",
        indicator=level(TROUBLE, "storage"),
        clock="wall",
        on_delay_s=10.0,
        off_delay_s=30.0,
        detection_target_h=0.02,
        meaning="The processor cannot write to its disk. Pumps are still monitored and alarms raised, but nothing is "
        "acknowledged: broker and gateways keep all messages, and operator actions are not confirmed.",
        action="Free disk space or make the disk writable. The processor recovers by itself; do not restart it.",
        time_to_respond="until the gateways' outboxes are full",
        rationale="Nothing is lost yet; a full outbox or a crash would lose samples and operator actions.",
        evidence=_FAILURES,
        over_s=0.0,
        explains=("checkpoint_failing", "bound_near", "bound_reached", "processor_lags", "merging_failing"),
    ),
    Rule(
        name="checkpoint_failing",
        title="Checkpoint failure",
        priority="medium",
        indicator=level(TROUBLE, "checkpoint"),
        clock="wall",
        on_delay_s=10.0,
        off_delay_s=30.0,
        detection_target_h=0.02,
        meaning="The processor cannot save its state. Pumps are monitored, and everything that arrives is kept in its "
        "message log. When that is full (4 GiB), nothing is acknowledged any more.",
        action="Free disk space or make the disk writable. The processor recovers by itself; do not restart it.",
        time_to_respond="until the message log and then the gateways' outboxes are full",
        rationale="Nothing is lost yet, but a restart has to take in the whole message log again.",
        evidence=_FAILURES,
        over_s=0.0,
        explains=("bound_near", "bound_reached", "processor_lags"),
    ),
    Rule(
        name="pumps_refused",
        title="Pumps not monitored: limit reached",
        priority="high",
        indicator=rise("pumps refused"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="More pumps or gateways send data than this processor accepts. The rest are not monitored.",
        action="Identify them among the rejected messages on the Pipeline page. Move them to a second processor.",
        time_to_respond="none: these pumps are not monitored",
        rationale="No fault of an unmonitored pump would be noticed.",
        evidence=_measure("Rejected: limit reached", "", 1.0),
        over_s=RISES_OVER_S,
        explains=("messages_refused", "bound_near"),
    ),
    Rule(
        name="processor_lags",
        title="Processor lagging",
        priority="medium",
        indicator=level(LAG),
        clock="wall",
        on_delay_s=MINUTE,
        off_delay_s=MINUTE,
        detection_target_h=0.1,
        meaning="Samples are processed late, so alarms are late. Messages wait at the broker and gateways, in order.",
        action="Check on the Pipeline page whether the sample rate is unusually high, and what else loads this host. "
        "After an outage, the lag clears by itself; a single gateway with a wrong clock looks the same.",
        time_to_respond="as long as the gateways' outboxes have room",
        rationale="Alarms are delayed by the lag; nothing is lost yet.",
        evidence=_measure("End-to-end latency", "s"),
        over_s=0.0,
        explains=("bound_near", "bound_reached"),
    ),
    Rule(
        name="gateways_drop",
        title="Gateways dropping samples",
        priority="medium",
        indicator=rise(DROPPED),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A gateway's outbox is full and it is dropping its oldest samples. They are permanently lost.",
        action="Find out why its messages are not accepted: broker, network, or the processor's disk.",
        time_to_respond="none: samples are being lost",
        rationale="Lost samples cannot be evaluated; slow faults are then detected later.",
        evidence=_measure("Samples dropped", "samples", 1.0),
        over_s=RISES_OVER_S,
        explains=("samples_missing",),
    ),
    Rule(
        name="records_thrown_away",
        title="Records discarded",
        priority="medium",
        indicator=rise("discarded"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="More records were waiting to be written than the buffer holds. The oldest are permanently lost.",
        action="Make the disk writable. Then record by hand the operator actions that the journal is missing.",
        time_to_respond="none: more is discarded until the disk is writable",
        rationale="The journal is the only record of alarms and of the actions taken."
        " Latched until a person has filled the gap.",
        latch=True,
        evidence=_measure("Discard events", "", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="records_unreadable",
        title="Stored records unreadable",
        priority="medium",
        indicator=level(TROUBLE, "stored records"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="Some stored records could not be read at startup. They were moved aside and are not in use.",
        action="Inspect the files moved aside (pumpwatch doctor) and remove them from the data directory. If the "
        "checkpoint is among them, review all open alarms.",
        time_to_respond="days; if it was the checkpoint, review open alarms now",
        rationale="Earlier alarms or acknowledgments may be missing; the disk may be failing.",
        evidence=_FAILURES,
        over_s=0.0,
    ),
    Rule(
        name="journal_altered",
        title="Journal altered",
        priority="medium",
        indicator=level(TROUBLE, "journal"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="The journal does not contain what it contained before, or the file that says how far it was is gone. "
        "Somebody removed or replaced entries, or files were restored from a backup.",
        action="Run pumpwatch doctor. Keep a copy of the data directory and its secrets. Compare with backups and "
        "with the log, which has the hash of the last entry every hour.",
        time_to_respond="days; treat the record of alarms and actions as unreliable until then",
        rationale="No effect on any pump, but nobody can rely on who did what. Latched until a person has looked.",
        latch=True,
        evidence=_FAILURES,
        over_s=0.0,
    ),
    Rule(
        name="accounts_unreadable",
        title="Accounts unreadable",
        priority="medium",
        indicator=level(TROUBLE, "accounts"),
        clock="wall",
        on_delay_s=5.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="The file of the accounts cannot be read, so nobody can sign in to the dashboards.",
        action="Restore the file from a backup; the reason below names it. People who are signed in may be signed out.",
        time_to_respond="now, if nobody is signed in: alarms are not seen",
        rationale="Alarms go on to other systems, but nobody can see or acknowledge them on a dashboard.",
        evidence=_FAILURES,
        over_s=0.0,
    ),
    Rule(
        name="samples_missing",
        title="Samples permanently lost",
        priority="low",
        indicator=rise(LOST),
        clock="wall",
        on_delay_s=MINUTE,
        off_delay_s=0.0,
        detection_target_h=0.1,
        meaning="Sequence numbers of pumps have gaps, and the missing samples have not arrived late either.",
        action="Sort the Pumps page by lost samples. One pump: check its connection. All pumps of a gateway: check the "
        "gateway. All pumps: check the broker, which may have crashed.",
        time_to_respond="days, if the samples that arrive are normal",
        rationale="With fewer samples, faults are detected later.",
        evidence=_measure("Samples lost", "samples", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="bound_near",
        title="Capacity limit near",
        priority="low",
        indicator=level(FULLNESS),
        clock="wall",
        on_delay_s=MINUTE,
        off_delay_s=MINUTE,
        detection_target_h=0.1,
        meaning="A queue, table or disk of the processor is close to its capacity limit. Nothing is lost yet.",
        action="See below which one. Disk: free space. Table of pumps: plan a second processor. Queue: find out what "
        "blocks it.",
        time_to_respond="depends on how fast it fills; see the Pipeline page",
        rationale="There is time to act before the limit is reached.",
        evidence=_measure("Utilization", "%"),
        over_s=0.0,
    ),
    Rule(
        name="bound_reached",
        title="Queue overflow",
        priority="low",
        indicator=rise("delayed"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A queue was full. Further messages wait at the broker, and nothing is lost.",
        action="If it recurs, find out what slows the processor down, or split the fleet between several.",
        time_to_respond="as long as the broker has room",
        rationale="Only time is lost, but the next limit to be reached is that of the gateways' outboxes.",
        evidence=_measure("Times the queue was full", "", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="records_expire",
        title="Retention limit reached",
        priority="low",
        indicator=rise("oldest removed"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="A store has reached its maximum size, and its oldest records were removed, as configured.",
        action="To keep more history, increase its size (--history-size). Otherwise take this alarm out of service.",
        time_to_respond="none needed",
        rationale="No effect on any pump, but trends reach back less far than one may expect.",
        evidence=_measure("Removals of oldest records", "", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="messages_refused",
        title="Rejected messages",
        priority="low",
        indicator=rise(REFUSED, MAX_REJECTED),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.2,
        meaning="Many messages are malformed or name pumps that do not belong to their gateway.",
        action="Check topics and reasons on the Pipeline page, and inform the operator of that gateway or device.",
        time_to_respond="days; a pump that sends nothing valid is also reported as silent",
        rationale="Rejected samples are not evaluated; a pump without any valid samples is reported as silent.",
        evidence=_measure("Rejected messages", "messages", MAX_REJECTED),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="samples_resent",
        title="Excessive redelivery",
        priority="low",
        indicator=share(RESENT, of=CAME, most=MAX_REDELIVERED_SHARE),
        clock="wall",
        on_delay_s=2 * MINUTE,
        off_delay_s=0.0,
        detection_target_h=0.2,
        meaning="Many samples arrive more than once: gateways lose their connection and resend, or an intermediary "
        "forwards everything twice. Nothing is lost; duplicates are ignored.",
        action="See on the Pipeline page which gateways resend, and check their network. If all do, look for a loop in "
        "a bridge between brokers.",
        time_to_respond="days, if no data is late",
        rationale="No effect on any pump, but unstable connections tend to fail for longer, and the load doubles.",
        evidence=_measure("Redelivered samples", "samples", 1.0),
        over_s=RISES_OVER_S,
    ),
    Rule(
        name="merging_failing",
        title="History compaction failing",
        priority="low",
        indicator=level(TROUBLE, "merging"),
        clock="wall",
        on_delay_s=5 * MINUTE,
        off_delay_s=MINUTE,
        detection_target_h=0.2,
        meaning="Small history files cannot be merged. Nothing is lost, but trends load slowly and need more space.",
        action="Read the reason below; usually the disk is full or a file belongs to another user.",
        time_to_respond="days; trends get slower meanwhile",
        rationale="No effect on any pump.",
        evidence=_FAILURES,
        over_s=0.0,
    ),
    Rule(
        name="clock_set",
        title="System clock changed",
        priority="low",
        indicator=level(TROUBLE, "clock"),
        clock="wall",
        on_delay_s=0.0,
        off_delay_s=0.0,
        detection_target_h=0.02,
        meaning="The clock of this host was set forward or back. Silence timers continue as before; nothing is lost.",
        action="Check time synchronization (NTP) on this host. New journal entries use the new time.",
        time_to_respond="days, if the clock stays stable",
        rationale="No effect on any pump, but journal times are inconsistent across the step.",
        evidence=_FAILURES,
        over_s=0.0,
    ),
)
"""Rules about Pumpwatch itself. Their subject is a part of the system; they suppress no alarms of pumps."""
