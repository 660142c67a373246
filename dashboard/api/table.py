"""The table of routes below /api/v1. A route is one row; OpenAPI document and reference page follow from it."""

from __future__ import annotations

from typing import Final

from dashboard.api import alarms, events, fhir, hl7, knowledge, models, pumps, signals
from dashboard.api.fhir_answers import MEDIA as FHIR
from dashboard.api.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/pumps", "", pumps.pumps, models.page("Pump", models.Pump), "pumps"),
    Route("GET", "/pumps/{serial}", "", pumps.pump, models.Pump, "pumps"),
    Route("GET", "/pumps/{serial}/forecast", "", pumps.forecast, models.Forecast, "pumps"),
    Route("GET", "/pumps/{serial}/signals", "", signals.signals, models.Samples, "pumps", (signals.CSV, signals.ARROW)),
    Route("GET", "/gateways", "", pumps.gateways, models.Gateways, "pumps"),
    Route("GET", "/alarms", "", alarms.alarms, models.page("Alarm", models.Alarm), "alarms"),
    Route("GET", "/alarms/history", "", alarms.history, models.page("Event", models.Event), "alarms"),
    Route("GET", "/alarms/pcd04", "", hl7.pcd04, None, "alarms", (hl7.MEDIA,)),
    Route("GET", "/alarms/events", "", events.events, None, "alarms", (events.MEDIA,)),
    Route("POST", "/alarms/acknowledge", "acknowledge", alarms.acknowledge, models.Outcome, "alarms"),
    Route("POST", "/alarms/unacknowledge", "acknowledge", alarms.unacknowledge, models.Outcome, "alarms"),
    Route("POST", "/alarms/note", "acknowledge", alarms.note, models.Outcome, "alarms"),
    Route("POST", "/alarms/reset", "acknowledge", alarms.reset, models.Outcome, "alarms"),
    Route("POST", "/alarms/shelve", "acknowledge", alarms.shelve, models.Outcome, "alarms"),
    Route("POST", "/alarms/unshelve", "acknowledge", alarms.unshelve, models.Outcome, "alarms"),
    Route("POST", "/alarms/out-of-service", "service", alarms.out_of_service, models.Outcome, "alarms"),
    Route("POST", "/alarms/in-service", "service", alarms.in_service, models.Outcome, "alarms"),
    Route("GET", "/rules", "", knowledge.rules, models.Rules, "knowledge"),
    Route("GET", "/faults", "", knowledge.faults, models.Faults, "knowledge"),
    Route("GET", "/injections", "", knowledge.injections, models.Open, "injections"),
    Route("POST", "/injections", "inject", knowledge.inject, models.Injected, "injections"),
    Route("GET", "/scorecard", "", knowledge.scorecard, models.Open, "injections"),
    Route("GET", "/health", "", knowledge.health, models.Health, "health"),
    Route("GET", "/fhir/metadata", "", fhir.fhir_metadata, models.Open, "fhir", (FHIR,)),
    Route("GET", "/fhir/Device", "", fhir.fhir_devices, models.Open, "fhir", (FHIR,)),
    Route("GET", "/fhir/Device/{id}", "", fhir.fhir_device, models.Open, "fhir", (FHIR,)),
    Route("GET", "/fhir/DeviceMetric", "", fhir.fhir_device_metrics, models.Open, "fhir", (FHIR,)),
    Route("GET", "/fhir/DeviceMetric/{id}", "", fhir.fhir_device_metric, models.Open, "fhir", (FHIR,)),
    Route("GET", "/fhir/Observation", "", fhir.fhir_observations, models.Open, "fhir", (FHIR,)),
    Route("GET", "/fhir/Observation/{id}", "", fhir.fhir_observation, models.Open, "fhir", (FHIR,)),
    Route("GET", "/fhir/AuditEvent", "audit", fhir.fhir_audit_events, models.Open, "fhir", (FHIR,)),
    Route("GET", "/fhir/DeviceAlert", "", fhir.fhir_device_alerts, models.Open, "fhir", (FHIR,)),
)
"""Method, path, right ("": any role), handler, model of the answer, group, further media types."""
