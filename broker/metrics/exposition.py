"""Exposition: the readings of a part as text for Prometheus, made when somebody asks for it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from broker.metrics.readings import Distribution, Reading, Vitals
from broker.metrics.table import BY_NAME

MAX_LABEL: Final = 80
RANGE: Final = "range"
"""Label of what is about a range of a cluster; a single processor has none, so its series keep their names."""
_FAMILIES: Final = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


class Exposition:
    """Text of all metrics of one part: its own readings, and those of its process."""

    def __init__(self, vitals: Vitals) -> None:
        """Read `vitals` at each scrape, and keep nothing in between."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collected(vitals))
        ProcessCollector(registry=self._registry)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return the text and its content type; OpenMetrics if the header `accept` asks for it."""
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind


class _Collected(Collector):
    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def collect(self) -> Iterator[Metric]:
        vitals = self._vitals
        problems = vitals.problems()
        common = [
            Reading("pumpwatch_build_info", 1.0, (vitals.part, _version())),
            Reading("pumpwatch_ready", float(not problems), (vitals.part,)),
        ]
        yield from families([*common, *vitals.read()])


def families(readings: Iterable[Reading]) -> Iterator[Metric]:
    """Yield the readings by metric, with the texts of the table. Raises `KeyError` for a metric that is not in it."""
    by_name: dict[str, list[Reading]] = {}
    for reading in readings:
        by_name.setdefault(reading.name, []).append(reading)
    for name, those in by_name.items():
        metric, ranged = BY_NAME[name], any(reading.range for reading in those)
        labels = (*metric.labels, RANGE) if ranged else metric.labels
        if metric.kind == "histogram":
            yield _histogram(name, metric.text, labels, those, ranged=ranged)
            continue
        family = _FAMILIES[metric.kind](name.removesuffix("_total"), metric.text, labels=labels)
        for reading in those:
            if not isinstance(reading.value, Distribution):
                family.add_metric(_labels(reading, ranged=ranged), reading.value)
        yield family


def _histogram(name: str, text: str, labels: tuple[str, ...], readings: list[Reading], *, ranged: bool) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for reading in readings:
        if isinstance(reading.value, Distribution):
            family.add_metric(_labels(reading, ranged=ranged), reading.value.buckets(), reading.value.total)
    return family


def _labels(reading: Reading, *, ranged: bool) -> list[str]:
    return [label[:MAX_LABEL] for label in ((*reading.labels, reading.range) if ranged else reading.labels)]


def _version() -> str:
    try:
        return importlib.metadata.version("pumpwatch")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
