"""MQTT sessions: connect, reconnect, request and reply; the broker that Pumpwatch starts itself."""
