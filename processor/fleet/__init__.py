"""The state of the fleet in memory, and what changes it or is shown of it; `processor.pipeline` joins them."""
