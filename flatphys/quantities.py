"""Every quantity once: its name, what it is, its unit, its symbol, how it is drawn.

From this registry states print their remarks, sweeps and files label their variables, the command line its columns, plots and figures their
axes, reports their rows.  A name that means something else in the answer of one question has an entry "question.name" of its own.
"""

from dataclasses import dataclass

PER_WEIGHT, LOAD, PATTERNS = "nats per weight", "patterns per weight", "fraction of patterns"
_SILENT = ("1", LOAD, PATTERNS, "probability", "replicas", "per pattern", "energy per weight")  # units that an axis does not repeat


@dataclass(frozen=True)
class Quantity:
    """One number that flatphys reports.

    Attributes
    ----------
    name : str
        As in code, tables and files.
    words : str
        What it is.
    unit : str
        "1" for a pure number.
    symbol : str
        LaTeX, without dollars.
    axis : str
        Words beside an axis, where `words` are too long ("": the symbol alone).
    remark : str
        Beside a printed value, where the unit alone says too little.
    log : bool
        Whether it is drawn on a logarithmic axis.
    theory : str
        Of an estimate: the name of the number that it estimates, where that is another.
    """

    name: str
    words: str
    unit: str = "1"
    symbol: str = ""
    axis: str | None = None
    remark: str = ""
    log: bool = False
    theory: str = ""

    @property
    def label(self) -> str:
        """What an axis says."""
        parts = (self.words if self.axis is None else self.axis, self.symbol and f"${self.symbol}$")
        return " ".join((*filter(None, parts), *(() if self.unit in _SILENT else (f"[{self.unit}]",))))

    @property
    def printed(self) -> str:
        """What stands beside a printed value."""
        return self.remark or ("" if self.unit == "1" else self.unit)


_Q = Quantity

# Of a model, a load or a place: what is given.
GIVEN = (
    _Q("alpha", "load P/N", LOAD, r"\alpha = P/N", "load"),
    _Q("margin", "stability that counts as correct", symbol=r"\kappa", axis="margin"),
    _Q("beta", "inverse temperature", symbol=r"\beta"),
    _Q("temperature", "temperature", symbol=r"1/\beta"),
    _Q("flip", "probability of an inverted label"),
    _Q("variance", "variance of each cloud", axis="variance of the clouds"),
    _Q("positive", "probability of the label +1"),
    _Q("l2", "strength of the regularisation", symbol=r"\lambda", log=True),
    _Q("sigma", "strength of multiplicative noise on the weights", symbol=r"\sigma", axis="noise"),
    _Q("distance", "distance per weight", symbol="d", axis="distance"),
    _Q("overlap", "overlap", symbol="p", axis="overlap with the reference"),
    _Q("x", "stability", symbol=r"\Delta"),
    _Q("y", "number of replicas in a region", "replicas", "y", "replicas"),
    _Q("crossing", "number of the crossing, from the smallest distance on"),
)

# Order parameters, in the order in which they are printed.
ORDER = (
    _Q("q", "overlap of two weight vectors (ERM: squared norm per weight)", symbol="q", axis="overlap"),
    _Q("one_minus_q", "1 - q, with all its digits", symbol="1 - q", axis="", log=True),
    _Q("q_hat", "conjugate of q", symbol=r"\hat q", axis="conjugate overlap"),
    _Q("R", "overlap with the teacher", symbol="R"),
    _Q("R_hat", "conjugate of R", symbol=r"\hat R", axis="conjugate overlap"),
    _Q("m", "overlap with the teacher or the centroids", symbol="m"),
    _Q("m_hat", "conjugate of m", symbol=r"\hat m", axis="conjugate overlap"),
    _Q("q_orthogonal", "squared norm per weight across the teacher or the centroids"),
    _Q("V", "response", symbol="V"),
    _Q("b", "bias", symbol="b"),
    _Q("solve.margin", "largest smallest stability", symbol=r"\kappa_{\max}", axis="largest margin"),
    _Q("beta_one_minus_q", "beta (1 - q) as beta goes to infinity", symbol=r"\beta(1-q)", axis="response"),
    _Q("q0", "overlap between regions", symbol="q_0"),
    _Q("q1", "overlap within a region", symbol="q_1"),
    _Q("one_minus_q1", "1 - q1, with all its digits", symbol="1 - q_1", axis="", log=True),
    _Q("parisi_m", "Parisi parameter", symbol="m"),
    _Q("q0_hat", "conjugate of q0", symbol=r"\hat q_0", axis="conjugate overlap"),
    _Q("q1_hat", "conjugate of q1", symbol=r"\hat q_1", axis="conjugate overlap"),
    _Q("complexity", "logarithm of the number of regions", PER_WEIGHT, r"\Sigma", "complexity"),
    _Q("inner_eigenvalue", "replicon within a region, stable if positive", remark="stable if > 0", axis="inner replicon"),
    _Q("outer_eigenvalue", "replicon between regions, stable if positive", remark="stable if > 0", axis="outer replicon"),
)

# Scalars of a state beside its order parameters, in the order in which they are printed.
STATE = (
    _Q(
        "cosine",
        "cosine of the angle to the teacher or the centroids",
        axis="cosine with the teacher",
        remark="with the teacher or the centroids",
    ),
    _Q("free_entropy", "free entropy", PER_WEIGHT),
    _Q("entropy", "entropy", PER_WEIGHT),
    _Q("energy", "energy (error counting: the number of errors)", "energy per weight", axis="energy per weight"),
    _Q("train_error", "training error", PATTERNS),
    _Q("train_loss", "mean energy or loss of a pattern", "per pattern", axis="training loss"),
    _Q("generalization_error", "error on a new example", "probability", r"\epsilon_{\mathrm{g}}", "generalization error"),
    _Q("centre_generalization_error", "error of the mean of the measure on a new example", "probability", axis="error of the centre"),
    _Q("bayes_error", "Bayes-optimal error on a new example", "probability", axis="error of the majority vote"),
    _Q("at_eigenvalue", "replicon, stable if positive", axis="replicon eigenvalue", remark="replicon, stable if > 0"),
)

# Of finite systems: what is called otherwise, or means something else, than in a state.
SAMPLE = (
    _Q("sample.overlap", "overlap of two chains of an instance", symbol="q", remark="between two chains of an instance", theory="q"),
    _Q("mutual_overlap", "overlap of two replicas that are coupled", symbol="q_1", remark="of coupled replicas"),
    _Q("centre_train_error", "training error of the centre of the replicas", PATTERNS, remark="of the sum of the replicas"),
    _Q("teacher_overlap", "overlap with the teacher", symbol="R", remark="with the teacher", theory="R"),
    _Q("sample.cosine", "cosine of the angle to the teacher or the centre", remark="with the teacher or the centre"),
    _Q("sample.m", "overlap with the teacher or the centre", symbol="m", remark="w.v/N"),
    _Q("sample.q", "squared norm per weight", symbol="q", remark="|w|^2/N"),
    _Q("sample.b", "bias", symbol="b", remark="bias"),
    _Q("sample.margin", "smallest stability", symbol=r"\kappa_{\max}", remark="smallest stability, |w|^2 = N"),
)

# What the numbers of a state or of a point are worth.
WORTH = (
    _Q("residual", "largest relative violation of the equations", remark="of the saddle equations", axis="residual", log=True),
    _Q(
        "quadrature_error",
        "relative difference between two quadrature rules",
        remark="estimated, relative",
        axis="quadrature error",
        log=True,
    ),
)
TOLERANCES = (
    _Q("tolerance_residual", "largest residual with which a value is returned"),
    _Q("tolerance_quadrature", "largest quadrature error with which a value is returned"),
)

# Answers of the other questions.
ANSWERS = (
    _Q("value", "local entropy", PER_WEIGHT),
    _Q("slope", "derivative of the free entropy with respect to the overlap", PER_WEIGHT, axis="slope of the free entropy"),
    _Q("local_entropy.q1", "overlap of two counted weight vectors", symbol="q_1"),
    _Q("t", "overlap of a counted weight vector with another reference", symbol="t"),
    _Q("R1", "overlap of a counted weight vector with the teacher", symbol="R_1"),
    _Q("replicated_entropy.value", "entropy per replica", PER_WEIGHT),
    _Q("replicated_entropy.slope", "derivative of the entropy per replica with respect to the overlap", PER_WEIGHT),
    _Q("replicated_entropy.R", "overlap of a replica with the teacher", symbol="R"),
    _Q("replicated_entropy.generalization_error", "error of a replica on a new example", "probability"),
    _Q("external_entropy", "logarithm of the number of regions", PER_WEIGHT, axis="external entropy"),
    _Q("region_entropy", "entropy within one region", PER_WEIGHT),
    _Q("m1", "overlap of a replica with the clouds' centre", symbol="m_1"),
    _Q("mutual_distance", "distance of two replicas of a star", symbol="d_{12}"),
    _Q("centre_norm", "norm of the centre of a region's replicas per square root of N"),
    _Q("replicated_entropy.cosine", "cosine of the angle of the centre to the teacher or the clouds' centre"),
    _Q(
        "centre_generalization_error",
        "error of the centre on a new example",
        "probability",
        r"\epsilon_{\mathrm{g}}",
        "error of the centre",
    ),
    _Q("flattest.distance", "distance of two replicas whose centre generalises best", symbol="d"),
    _Q("flattest.cosine", "cosine of the angle of the centre to the teacher or the clouds' centre"),
    _Q("excess", "error of the centre above the Bayes-optimal one", "probability", axis="error above Bayes", log=True),
    _Q("typical_distance", "distance of two weights of the Gibbs learner", symbol="d"),
    _Q("at_limit", "1 where the best is a limit, at the end of all distances"),
    _Q("local_energy", "increase of the training error", PATTERNS, r"\delta E(\sigma)", "local energy"),
    _Q("pdf", "density of the stabilities", symbol=r"P(\Delta)", axis="density"),
    _Q("cdf", "distribution function of the stabilities"),
    _Q("margins.mean", "mean stability"),
    _Q("margins.variance", "variance of the stabilities"),
    _Q("margins.skewness", "skewness of the stabilities"),
    _Q("margins.atom_place", "place of the heaviest point mass"),
    _Q("margins.atom_mass", "heaviest point mass", "probability"),
    _Q("mass_below_zero", "fraction of stabilities below 0"),
    _Q("relative_flatness", "|w|^2 Tr Hessian / N of the mean loss", "per pattern", axis="relative flatness", log=True),
    _Q("largest_overlap", "largest overlap with error-free weights"),
    _Q("zero_crossings", "distance at which the local entropy vanishes", symbol="d"),
    _Q("vanishing_external_y", "number of replicas whose external entropy vanishes", "replicas", "y", log=True),
    _Q("capacity", "capacity", LOAD, r"\alpha_c"),
    _Q("max_margin", "largest margin", symbol=r"\kappa_{\max}"),
    _Q("at_line", "load at which the replicon vanishes", LOAD),
    _Q("freezing_beta", "inverse temperature of vanishing entropy"),
    _Q("optimal_l2", "regularisation of the smallest generalization error", symbol=r"\lambda", log=True),
    _Q("separability_threshold", "separability threshold", LOAD),
    _Q("flatness_threshold", "flatness threshold", LOAD),
    _Q("replicated_flatness_threshold", "flatness threshold of the densest regions", LOAD),
    _Q("replicated_flatness_threshold.value", "entropy per replica at the threshold", "nats per replica and weight"),
    _Q("lower_spinodal", "load from which the teacher branch exists", LOAD),
    _Q("transition", "load of the first-order transition", LOAD),
    _Q("spinodal", "load at which the student branch ends", LOAD),
)

QUANTITIES = {quantity.name: quantity for quantity in (*GIVEN, *ORDER, *STATE, *SAMPLE, *WORTH, *ANSWERS, *TOLERANCES)}
_PLACES = {name: i for i, name in enumerate(QUANTITIES)}


def of(name: str, question: str = "") -> Quantity:
    """What `name` means in the answer of a question; a name that is not flatphys' own means itself."""
    found = QUANTITIES.get(f"{question}.{name}") or QUANTITIES.get(name)
    return Quantity(name, name.replace("_", " ")) if found is None else found


def rank(name: str, question: str = "") -> tuple[int, str]:
    """Sorts the names of an answer into the order of the registry, others behind."""
    return _PLACES.get(of(name, question).name, len(_PLACES)), name
