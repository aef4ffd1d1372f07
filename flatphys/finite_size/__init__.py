"""Finite systems: samples of the data, Markov chains on the CPU and on a GPU.  Imports the model and the kernels, never a saddle.

instances   patterns, labels, teachers, drawn once for everything below;  hidden: the hidden layer of committees
measure     errors, energies, overlaps, local energies of any weights on any instances
chains/     Markov chains, from the random numbers to the object that a user holds
sampling    sample(): instances, starts;  job: the loop and how it goes on;  schedule, memory, checkpoint, patience, record: its parts
integrate   sample_local_entropy(): counts at fixed overlap
rules       optimisers for rules with finite training;  trained: train() (public as flatphys.finite)
estimate    means, errors; extrapolation in 1/N;  mixing: effective samples, R-hat, alarms;  law: the law of stabilities
run         what all of these return
"""
