"""The pumps: a fleet of simulated implanted baclofen pumps, their faults, their scenarios. No medical device."""
