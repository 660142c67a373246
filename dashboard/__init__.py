"""The screens: what staff and engineers see of the simulated fleet. A simulation, no medical device."""
