"""What crosses a process boundary: signals, topics, payloads, messages and dose limits."""
