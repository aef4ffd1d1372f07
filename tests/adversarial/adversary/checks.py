"""Which checks an answer must pass."""

from adversary import dense, equilibrium, laws, local, places, trained

STATE = (equilibrium.bounds, equilibrium.equations, trained.minimiser, trained.largest_margin, trained.closed)
CHECKS = {
    "solve": (*STATE, equilibrium.one_answer),
    "branches": (equilibrium.every_branch,),
    "one_step": (equilibrium.one_step,),
    "margins": (laws.margins,),
    "local_energy": (laws.local_energy,),
    "local_entropy": (local.local_entropy, local.equilibrium_point),
    "largest_overlap": (local.largest_overlap,),
    "zero_crossings": (local.zero_crossings,),
    "replicated_entropy": (dense.replicated,),
    "capacity": (places.capacity,),
    "max_margin": (places.max_margin,),
    "at_line": (places.at_line,),
    "freezing_beta": (places.freezing_beta,),
    "ground_state": (places.ground_state,),
    "first_order_transition": (places.first_order_transition,),
    "optimal_l2": (places.optimal_l2,),
    "separability_threshold": (places.separability,),
    "bayes_error": (places.bayes_error,),
    "relative_flatness": (places.relative_flatness,),
    "vanishing_external_y": (dense.vanishing,),
}
