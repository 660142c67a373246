"""From MQTT messages to one batch of samples: decoding, registry, gateway clocks, quarantine."""
