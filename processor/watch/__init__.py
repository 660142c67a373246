"""Scores of everything that is not a single pump: gateways, cohorts, the system itself."""
