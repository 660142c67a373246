"""Scenarios and what plays them: schedule, events, fault injection, the simulation itself."""
