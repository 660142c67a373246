"""The stream processor: from batches of samples to alarms, on one frame of state with a row per pump."""
