"""The simulated pumps as arrays: state, physics, sensors, program, therapy, wear."""
