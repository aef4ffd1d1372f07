"""Minimisers of a loss, the largest margin, Hebb: learners at zero temperature."""
