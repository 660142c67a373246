"""The running processor: message loop, checkpoint, durable store, health."""
