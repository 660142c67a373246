"""Reference page of metrics."""

from __future__ import annotations

from broker.metrics.table import METRICS, PARTS
from pumpwatch.documentation.markdown import code, page, table


def metrics_page() -> str:
    """Return the reference of metrics."""
    common = [metric for metric in METRICS if metric.parts == PARTS]
    sections = [("Every part", common)]
    sections += [(f"The {part}", [one for one in METRICS if one.parts == (part,)]) for part in PARTS]
    return page(
        "Metrics",
        "What each part serves at `/metrics`, for Prometheus. [Operation](../operate.md) says how to switch it on, "
        "which of them matter, and what the alert rules mean. No label is a pump, a gateway or a person, so the "
        "number of series does not grow with the fleet. On a node of a cluster, the metrics of its processors have the "
        "label `range` besides, from 00 to 63.",
        *(
            f"## {title}\n\n"
            + table(
                ("metric", "kind", "labels", "meaning"),
                ((code(one.name), one.kind, ", ".join(map(code, one.labels)), one.text) for one in metrics),
            )
            for title, metrics in sections
            if metrics
        ),
    )
