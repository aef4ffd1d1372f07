"""Markov chains on finite instances, on the CPU and on a GPU.

philox           random numbers by counter
moves            what a proposed move does to the energy: loops over the patterns
metropolis       sweeps and exchanges (CPU);  committee: of the tree committee
metropolis_cuda  the same kernels on a GPU;   committee_cuda
state, starts    the state of many chains, where they start
cpu, cuda        the two backends that advance it
ladder           inverse temperatures of replica exchange, and the integral over them
ensemble         the object that a user holds
"""
