"""Descent on finite systems: schedules, stochastic gradients on hidden or on real weights, replicas that attract each other."""
