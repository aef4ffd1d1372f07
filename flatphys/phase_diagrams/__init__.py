"""Phase diagrams: one file per model, each a set of curves traced by `thresholds.trace`, with their regions named."""

from flatphys.phase_diagrams.diagram import TITLES, Boundary, PhaseDiagram, check, load, names, phase_diagram

__all__ = ["TITLES", "Boundary", "PhaseDiagram", "check", "load", "names", "phase_diagram"]
