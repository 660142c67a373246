"""Windows, detector scores and the state frame, stepped by waves of samples."""
