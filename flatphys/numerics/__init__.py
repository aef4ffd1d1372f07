"""Special functions, Gaussian averages and roots: jitted, and knowing no physics."""
