"""Finite systems: samples of the data, Markov chains on the CPU and on a GPU.  Imports the model and the kernels, never a saddle.

instances        patterns, labels, teachers; stabilities from scratch
chains/          Markov chains, from the random numbers to the object that a user holds
sampling         sample(): instances, starts, the loop, with checkpoint (files), patience (progress, Ctrl-C), record (series)
estimate         means, errors, effective samples, R-hat; extrapolation in 1/N
law, perturbation  the law of stabilities; the local energy
trained, trained_run  convex rules instead of chains
integrate        sample_local_entropy(): counts at fixed overlap
run, sampled_entropy  what the two return
"""
