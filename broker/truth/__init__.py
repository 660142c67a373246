"""Ground truth of the simulated fleet, and matching of alarms with injected faults."""
