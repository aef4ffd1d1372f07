"""Finite systems: samples of the data, Markov chains on the CPU and on a GPU.  Imports the model and the kernels, never a saddle.

    philox           random numbers by counter
    instance         patterns, labels, teachers; stabilities from scratch
    moves            what a proposed move does to the energy: loops over the patterns
    metropolis       sweeps and exchanges (CPU);  committee: of the tree committee
    metropolis_cuda  the same kernels on a GPU;   committee_cuda
    walkers, starts  the state of many chains, where they start
    threads, gpu     the two backends that advance it
    chains           the object that a user holds
"""
