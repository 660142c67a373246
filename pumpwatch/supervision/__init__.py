"""Processes that run as one system: start, restart, stop, logs."""
