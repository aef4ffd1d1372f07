"""Finite systems: instances, Markov chains on the CPU and on a GPU.  Imports the model and the kernels, never a saddle."""
