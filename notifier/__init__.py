"""Notifications: which messages are due about alarms, to whom, and their delivery exactly as often as decided."""
