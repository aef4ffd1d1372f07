"""Saddle points: one file per ansatz."""
