"""Measured as it runs: what the `pumpwatch` command does before anything is loaded, and waves of a simulated fleet."""

from __future__ import annotations

from pumpwatch.settings import keep_memory

keep_memory()
