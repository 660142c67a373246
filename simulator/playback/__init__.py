"""Scenarios and their playback: schedule, events, fault injection, treatments, ground truth, and the simulation."""
