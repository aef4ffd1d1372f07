"""Algorithms for binary weights on instances: hidden weights whose signs count, and annealing."""
