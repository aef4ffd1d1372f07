"""Replica-symmetric equilibrium of Gibbs and Bayes learners."""
