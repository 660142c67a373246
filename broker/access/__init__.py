"""Who may use the broker: credentials of gateways and parts, the private authority and its certificates."""
