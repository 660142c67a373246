"""Load tests: from one pump to a million, from the moment a sample is due to the pixel that shows it."""
