"""The screens: what operators and engineers see of the simulated fleet. A simulation, no medical device."""
