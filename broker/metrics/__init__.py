"""Metrics and health of the parts: the table of metrics, their text for Prometheus, and the listener that serves it."""
