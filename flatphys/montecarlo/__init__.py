"""Finite systems: samples of the data, Markov chains on the CPU and on a GPU.  Imports the model and the kernels, never a saddle.

    philox           random numbers by counter
    instance         patterns, labels, teachers; stabilities from scratch
    moves            what a proposed move does to the energy: loops over the patterns
    metropolis       sweeps and exchanges (CPU);  committee: of the tree committee
    metropolis_cuda  the same kernels on a GPU;   committee_cuda
    walkers, starts  the state of many chains, where they start
    threads, gpu     the two backends that advance it
    chains           the object that a user holds

    sampling         sample(): instances, starts, the loop, with checkpoint (files), patience (progress, Ctrl-C), record (series)
    ladder           inverse temperatures of replica exchange, and the integral over them
    estimate         means, errors, effective samples, R-hat; extrapolation in 1/N
    law, perturbation  the law of stabilities; the local energy
    minimisers       trained rules instead of chains
    integration      sample_local_entropy(): counts at fixed overlap
    run, local_entropy_run  what the two return
"""
