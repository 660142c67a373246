"""Texts of rules and causes, as columns to join with alarms and their changes."""

from __future__ import annotations

import polars as pl

from processor.engine.columns import Rules


def cause_text(rules: Rules) -> pl.Expr:
    """Return the expression of a change's text: a person's reason or the first fact of the evidence, and the cause."""
    titles = {rule.name: rule.title for rule in rules}
    cause = pl.col("cause").replace_strict(titles, default=None, return_dtype=pl.String)
    suppressed = pl.when(pl.col("kind").is_in(["raised", "held", "cleared"])).then(
        pl.format("suppressed by: {}", cause)
    )
    raised = pl.when(pl.col("kind") == "raised").then(pl.format("{}; {}", "text", suppressed))
    return pl.coalesce(raised, "text", suppressed)


def rule_texts(rules: Rules) -> pl.DataFrame:
    """Return the texts of each rule, one row per rule."""
    rows = [
        (rule.name, rule.title, rule.meaning, rule.action, rule.time_to_respond, rule.harm_after_h) for rule in rules
    ]
    columns = {
        **dict.fromkeys(("rule", "title", "meaning", "action", "time_to_respond"), pl.String),
        "harm_after_h": pl.Float64,
    }
    return pl.DataFrame(rows, schema=columns, orient="row")
