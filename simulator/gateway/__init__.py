"""Simulated gateways: MQTT sessions, outbox and spool, commands, ground truth."""
