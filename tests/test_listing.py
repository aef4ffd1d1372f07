"""A loss, an energy, an activation, a question and an algorithm are each added where the docstrings say, and work in every room.

A copy of the package is edited as text: one entry each, in the files that CONTRIBUTING names.  Every toy has a known answer:

    energy "steep"      2 x squared hinge: at beta the squared hinge at 2 beta, at twice its energy
    loss "steep"        2 x squared hinge: at l2 the squared hinge at l2/2, at twice its loss
    activation "swift"  erf(2x): what a function of one's own, tabulated, gives
    question "angle"    the angle to the teacher
    algorithm "Oracle"  begins at random and takes the teacher's weights in its third step

The copy runs without compilation (its kernels are new to every cache).
"""

import json
import math
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import erf

import flatphys as fp

pytestmark = pytest.mark.long

SOURCE = pathlib.Path(fp.__file__).parent

ENERGY = """
@inlined
def steep_channel(x, beta, sigma):
    return squared_hinge_channel(x, 2.0 * beta, sigma)


@inlined
def steep_scalars(x, beta, sigma):
    share, mean = squared_hinge_scalars(x, 2.0 * beta, sigma)
    return share, 2.0 * mean


@jit
def steep_features(beta, sigma):
    return squared_hinge_features(2.0 * beta, sigma)


# --- the ladders"""
LOSS = """
@jit
def steep_point(t):
    value, slope, curvature = squared_hinge_point(t)
    return 2.0 * value, 2.0 * slope, 2.0 * curvature


@jit
def steep_response(e, c):
    t, f, k, value = squared_hinge_response(e, 2.0 * c)
    return t, 2.0 * f, 2.0 * k, 2.0 * value


@jit
def steep_features(c):
    return squared_hinge_features(2.0 * c)


# --- the ladders"""
QUESTION = """    Question(
        "angle",
        "the angle to the teacher",
        call=lambda state: math.acos(state.cosine),
        answers=(where(Teacher, (Gibbs, Bayes, *_RULES)),),
    ),
)
QUESTIONS = {"""

ALGORITHM = '''"""An algorithm that is told the answer."""

from dataclasses import dataclass

import numpy as np

from flatphys import validate
from flatphys.finite_size.search import Algorithm, Search, stream


@dataclass(frozen=True)
class Oracle(Algorithm):
    """The teacher after `steps` steps."""

    steps: int = 3

    def __post_init__(self):
        object.__setattr__(self, "steps", validate.integer("steps", self.steps, 1))

    def begin(self, instances, k, seed):
        return Asked(self.steps, instances.teacher[k], stream(seed, k))


class Asked(Search):
    KEPT = ("iterations", "weights", "generator")

    def __init__(self, steps, teacher, generator):
        self.steps, self.teacher, self.generator = steps, teacher, generator
        self.weights = generator.choice(np.array([-1, 1], np.int8), teacher.size)

    def advance(self):
        self.iterations += 1
        if self.iterations == self.steps:
            self.weights = self.teacher
        return self.iterations == self.steps

    def row(self):
        return {"overlap": float(np.mean(self.weights * self.teacher))}
'''

# file -> [(text, what stands there instead)]: the whole of what is added
ENTRIES = {
    "model.py": [
        ('"square", "logistic")', '"square", "logistic", "steep")'),
        ('ACTIVATIONS = ("sign", "erf", "relu")', 'ACTIVATIONS = ("sign", "erf", "relu", "swift")'),
    ],
    "model_losses.py": [('"hinge", "squared-hinge")  #', '"hinge", "squared-hinge", "steep")  #')],
    "kernels/codes.py": [("# what networks do", "STEEP_ENERGY, STEEP, SWIFT = 41, 42, 43\n\n# what networks do")],
    "kernels/channels.py": [
        ("from flatphys.kernels.codes import ", "from flatphys.kernels.codes import STEEP_ENERGY, Channel, "),
        ("SQUARE_ENERGY, LOGISTIC_ENERGY),", "SQUARE_ENERGY, LOGISTIC_ENERGY, STEEP_ENERGY),"),
        ("SQUARE_ENERGY: losses.SQUARE}", "SQUARE_ENERGY: losses.SQUARE, STEEP_ENERGY: losses.STEEP}"),
        ("\n# --- the ladders", ENERGY),
        ("    SQUARE_ENERGY: (square_channel", "    STEEP_ENERGY: (steep_channel, steep_scalars),\n    SQUARE_ENERGY: (square_channel"),
        *(
            (
                f"    if ch.energy == HINGE_ENERGY:\n        return hinge_{name}(",
                f"    if ch.energy == STEEP_ENERGY:\n        return steep_{name}({arguments})\n"
                f"    if ch.energy == HINGE_ENERGY:\n        return hinge_{name}(",
            )
            for name, arguments in (("channel", "x, ch.beta, sigma"), ("scalars", "x, ch.beta, sigma"))
        ),
        (
            "    if ch.energy == HINGE_ENERGY:\n        return hinge_features(",
            "    if ch.energy == STEEP_ENERGY:\n        return steep_features(ch.beta, sigma)\n"
            "    if ch.energy == HINGE_ENERGY:\n        return hinge_features(",
        ),
    ],
    "kernels/cost.py": [
        ("from flatphys.kernels.codes import ", "from flatphys.kernels.codes import STEEP_ENERGY, "),
        (
            "    if energy == SQUARE_ENERGY:\n        return 0.5 * t * t",
            "    if energy == STEEP_ENERGY:\n        return max(t, 0.0) ** 2\n    if energy == SQUARE_ENERGY:\n        return 0.5 * t * t",
        ),
    ],
    "kernels/halves.py": [
        ("from flatphys.kernels.codes import ", "from flatphys.kernels.codes import STEEP_ENERGY, Channel, "),
        (
            "    if ch.energy == SQUARE_ENERGY or (below and",
            "    if below and ch.energy == STEEP_ENERGY:\n"
            "        return half(Channel(SQUARED_HINGE_ENERGY, ch.margin, 2.0 * ch.beta), x, sigma, below)\n"
            "    if ch.energy == SQUARE_ENERGY or (below and",
        ),
    ],
    "kernels/losses.py": [
        ("from flatphys.kernels.codes import ", "from flatphys.kernels.codes import STEEP, "),
        ("SQUARED_HINGE)", "SQUARED_HINGE, STEEP)"),
        ("\n# --- the ladders", LOSS),
        *(
            (
                f"    if loss.code == SQUARED_HINGE:\n        return squared_hinge_{name}({arguments})",
                f"    if loss.code == STEEP:\n        return steep_{name}({arguments})\n"
                f"    if loss.code == SQUARED_HINGE:\n        return squared_hinge_{name}({arguments})",
            )
            for name, arguments in (("point", "t"), ("response", "e, c"), ("features", "c"))
        ),
    ],
    "kernels/traits.py": [
        ("SMOOTH, RAMP, HALF_PARABOLA)", "SMOOTH, RAMP, HALF_PARABOLA, Traits(margin_fit=True, bend=2.0))"),
        ("PARABOLA, SMOOTH)", "PARABOLA, SMOOTH, Traits(margin_fit=True, bend=2.0))"),
    ],
    "kernels/networks.py": [
        ("from flatphys.kernels.codes import ", "from flatphys.kernels.codes import SWIFT, "),
        ("(SIGN, ERF, RELU)))", "(SIGN, ERF, RELU, SWIFT)))"),
        ("RELU: 0.5 - 0.5 / math.pi}", "RELU: 0.5 - 0.5 / math.pi, SWIFT: 2.0 / math.pi * math.asin(8.0 / 9.0)}"),
        ("        return math.erf(h)\n", "        return math.erf(h)\n    if code == SWIFT:\n        return math.erf(2.0 * h)\n"),
        (
            "    if code == TABLE:\n        return _table_map(",
            "    if code == SWIFT:\n"
            "        a = 8.0 / 9.0\n"
            "        gap = math.asin(a * eps * (1.0 + q) / (math.sqrt(1.0 - (a * q) ** 2) + q * math.sqrt(1.0 - a * a)))\n"
            "        return math.asin(a * q) / math.asin(a), gap / math.asin(a)\n"
            "    if code == TABLE:\n        return _table_map(",
        ),
        (
            "    if code == TABLE:\n        return _table_slope(",
            "    if code == SWIFT:\n"
            "        return 8.0 / 9.0 / (math.asin(8.0 / 9.0) * math.sqrt(1.0 - 64.0 / 81.0 * q * q))\n"
            "    if code == TABLE:\n        return _table_slope(",
        ),
        (
            "    if code == TABLE:\n        return _table_curvature(",
            "    if code == SWIFT:\n"
            "        return (8.0 / 9.0) ** 3 * q / (math.asin(8.0 / 9.0) * (1.0 - 64.0 / 81.0 * q * q) ** 1.5)\n"
            "    if code == TABLE:\n        return _table_curvature(",
        ),
    ],
    "questions/catalogue.py": [(")\nQUESTIONS = {", QUESTION)],
    "__init__.py": [('    "find": "', '    "Oracle": "flatphys.finite_size.oracle",\n    "find": "')],
}

# Python raises where compiled code goes on with inf
PREAMBLE = """
import math, warnings
def quiet(function):
    def call(x):
        try:
            return function(x)
        except OverflowError:
            return math.inf
    return call
math.exp, math.expm1 = quiet(math.exp), quiet(math.expm1)
warnings.simplefilter("ignore")
import json
import numpy as np
import flatphys as fp
out = {}
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The folder of the edited copy."""
    folder = tmp_path_factory.mktemp("listing")
    shutil.copytree(SOURCE, folder / "flatphys", ignore=shutil.ignore_patterns("__pycache__"))
    for name, edits in ENTRIES.items():
        path = folder / "flatphys" / name
        text = path.read_text(encoding="utf-8")
        for old, new in edits:
            assert text.count(old) == 1, (name, old, text.count(old))
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
    (folder / "flatphys" / "finite_size" / "oracle.py").write_text(ALGORITHM, encoding="utf-8")
    return folder


def run(folder, *arguments):
    """Standard output of a Python process that finds the edited copy."""
    setting = {"PYTHONPATH": str(folder), "NUMBA_DISABLE_JIT": "1", "FLATPHYS_CACHE_DIR": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], env=os.environ | setting, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def ask(folder, code):
    """The dict `out` that the code fills."""
    return json.loads(run(folder, "-c", f"{PREAMBLE}{code}\nprint(json.dumps(out))").splitlines()[-1])


def command(folder, *arguments):
    """The answer of the command line."""
    return json.loads(run(folder, "-m", "flatphys", *arguments, "--json"))


def gibbs(beta, weights="binary", energy="squared-hinge", data=None, **options):
    return fp.Model(data or fp.RandomLabels(), fp.Gibbs(weights, 0.3, beta, energy=energy, **options))


# --- energy -----------------------------------------------------------------------------------------
def test_an_energy_has_states_margins_and_local_energies(copy):
    got = ask(
        copy,
        """
for name, data in (("random", fp.RandomLabels()), ("teacher", fp.Teacher(0.1))):
    state = fp.solve(fp.Model(data, fp.Gibbs("binary", 0.3, 1.5, energy="steep")), 0.9)
    out[name] = [state.q, state.free_entropy, state.entropy, state.energy, state.train_error, state.at_eigenvalue]
    if name == "random":
        law = fp.margins(state)
        out["law"] = [law.mean, law.variance, float(law.cdf(0.1)), fp.local_energy(state, distance=0.1)]
""",
    )
    for name, data in (("random", fp.RandomLabels()), ("teacher", fp.Teacher(0.1))):
        state = fp.solve(gibbs(3.0, data=data), 0.9)
        want = [state.q, state.free_entropy, state.entropy, 2.0 * state.energy, state.train_error, state.at_eigenvalue]
        assert got[name] == pytest.approx(want, rel=1e-9)
        if name == "random":
            law = fp.margins(state)
            assert got["law"] == pytest.approx(
                [law.mean, law.variance, float(law.cdf(0.1)), fp.local_energy(state, distance=0.1)], rel=1e-9
            )


def test_an_energy_has_a_ground_state(copy):
    got = ask(
        copy,
        """
state = fp.ground_state(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.3, energy="steep")), 3.0)
out["state"] = [state.train_loss, state.beta_one_minus_q, state.at_eigenvalue]
""",
    )
    state = fp.ground_state(gibbs(math.inf, "spherical"), 3.0)
    assert got["state"] == pytest.approx([2.0 * state.train_loss, state.beta_one_minus_q / 2.0, state.at_eigenvalue], rel=1e-9)


def test_an_energy_has_a_local_entropy(copy):
    got = ask(
        copy,
        """
state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.3, 1.5, energy="steep")), 0.4)
found = fp.local_entropy(state, distance=[0.2], margin=0.1, beta=1.0, energy="steep")
out["found"] = [*found.value, *found.slope]
""",
    )
    found = fp.local_entropy(fp.solve(gibbs(3.0), 0.4), distance=[0.2], margin=0.1, beta=2.0, energy="squared-hinge")
    assert got["found"] == pytest.approx([*found.value, *found.slope], rel=1e-9)


def test_an_energy_can_be_swept_sampled_and_checked(copy):
    got = ask(
        copy,
        """
model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.3, 1.0, energy="steep"))
table = fp.sweep(model, alpha=[0.5, 0.9], workers=1)
out["energy"] = table.energy.values.tolist()
run = fp.sample(model, 20, 0.5, chains=16, sweeps=60, device="cpu", threads=1, seed=1)
out["z"] = [row.z for row in fp.check(fp.solve(model, 0.5), run).rows if row.quantity in ("energy", "train_loss")]
try:
    fp.precise.refine(fp.solve(model, 0.5))
except fp.errors.InvalidInput as error:
    out["refused"] = str(error)
""",
    )
    assert got["energy"] == pytest.approx([2.0 * fp.solve(gibbs(2.0, "spherical"), alpha).energy for alpha in (0.5, 0.9)], rel=1e-9)
    assert got["z"] and max(map(abs, got["z"])) < 5.0
    assert got["refused"] == "energy must be errors or hinge or squared-hinge or square for flatphys.precise, got 'steep'"


# --- loss -------------------------------------------------------------------------------------------
def test_a_loss_has_states_margins_and_observables(copy):
    got = ask(
        copy,
        """
for name, data in (("teacher", fp.Teacher(0.1)), ("mixture", fp.GaussianMixture(0.7))):
    state = fp.solve(fp.Model(data, fp.ERM("steep", 0.4)), 2.0)
    law = fp.margins(state)
    out[name] = [state.m, state.q, state.train_loss, state.generalization_error, law.mean, law.variance, float(law.cdf(0.5))]
    out[name] += [fp.relative_flatness(state), fp.local_energy(state, sigma=0.5)]
""",
    )
    for name, data in (("teacher", fp.Teacher(0.1)), ("mixture", fp.GaussianMixture(0.7))):
        state = fp.solve(fp.Model(data, fp.ERM("squared-hinge", 0.2)), 2.0)
        law = fp.margins(state)
        want = [state.m, state.q, 2.0 * state.train_loss, state.generalization_error, law.mean, law.variance, float(law.cdf(0.5))]
        want += [2.0 * fp.relative_flatness(state), fp.local_energy(state, sigma=0.5)]
        assert got[name] == pytest.approx(want, rel=1e-8)


def test_a_loss_has_a_local_entropy_a_best_l2_a_sweep_and_finite_systems(copy):
    got = ask(
        copy,
        """
model = fp.Model(fp.GaussianMixture(0.7), fp.ERM("steep", 0.4))
out["value"] = fp.local_entropy(fp.solve(model, 2.0), overlap=[0.8], beta=2.0).value.tolist()
out["l2"] = fp.optimal_l2(fp.Model(fp.Teacher(0.1), fp.ERM("steep", 0.4)), 2.0)
out["swept"] = fp.sweep(model, alpha=[1.0, 2.0], workers=1).q.values.tolist()
run = fp.sample(model, 60, 2.0, chains=10, seed=3)
out["loss"] = [run.train_loss.mean, run.q.mean]
""",
    )
    model = fp.Model(fp.GaussianMixture(0.7), fp.ERM("squared-hinge", 0.2))
    assert got["value"] == pytest.approx(list(fp.local_entropy(fp.solve(model, 2.0), overlap=[0.8], beta=2.0).value), rel=1e-8)
    assert got["l2"] == pytest.approx(2.0 * fp.optimal_l2(fp.Model(fp.Teacher(0.1), fp.ERM("squared-hinge", 0.2)), 2.0), rel=1e-6)
    assert got["swept"] == pytest.approx([fp.solve(model, alpha).q for alpha in (1.0, 2.0)], rel=1e-9)
    run = fp.sample(model, 60, 2.0, chains=10, seed=3)
    assert got["loss"] == pytest.approx([2.0 * run.train_loss.mean, run.q.mean], rel=1e-5)


# --- activation -------------------------------------------------------------------------------------
def swift(x):
    return erf(2.0 * x)


def test_an_activation_has_states_capacities_and_finite_systems(copy):
    got = ask(
        copy,
        """
model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.1, 2.0, network=fp.TreeCommittee("swift")))
state = fp.solve(model, 0.6)
law = fp.margins(state)
out["state"] = [state.q, state.entropy, state.at_eigenvalue, law.mean, fp.local_energy(state, distance=0.1)]
out["capacity"] = fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee("swift"))))
instances = fp.make_instances(model, 9, 1.0, count=1, seed=2, hidden=3)
out["stabilities"] = instances.stabilities(np.ones((1, 9))).ravel().tolist()
fields = instances.patterns[0].reshape(3, 3, 9).sum(axis=1) / math.sqrt(3.0)
out["fields"], out["labels"] = fields.tolist(), instances.labels[0].tolist()
try:
    fp.precise.refine(state)
except fp.errors.InvalidInput as error:
    out["refused"] = str(error)
""",
    )
    network = fp.TreeCommittee(swift)
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.1, 2.0, network=network)), 0.6)
    law = fp.margins(state)
    assert got["state"] == pytest.approx(
        [state.q, state.entropy, state.at_eigenvalue, law.mean, fp.local_energy(state, distance=0.1)], rel=1e-8
    )
    assert got["capacity"] == pytest.approx(fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=network))), rel=1e-8)
    outputs = np.array([1.0, 1.0, -1.0]) @ swift(np.array(got["fields"])) / math.sqrt(3.0 * 2.0 / math.pi * math.asin(8.0 / 9.0))
    assert got["stabilities"] == pytest.approx((np.array(got["labels"]) * outputs).tolist(), abs=1e-6)
    assert "activation must be" in got["refused"] and "'swift'" in got["refused"]


# --- question ---------------------------------------------------------------------------------------
def test_a_question_can_be_swept_asked_and_is_supported(copy):
    got = ask(
        copy,
        """
model = fp.Model(fp.Teacher(), fp.Gibbs("spherical"))
out["angle"] = fp.sweep(model, alpha=[0.5, 1.0], question="angle", workers=1).angle.values.tolist()
out["supported"] = [fp.supported(model)["angle"], fp.supported(fp.Model())["angle"]]
""",
    )
    want = [math.acos(fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("spherical")), alpha).cosine) for alpha in (0.5, 1.0)]
    assert got["angle"] == pytest.approx(want, rel=1e-9)
    assert got["supported"] == [True, False]
    asked = command(copy, "threshold", "angle", "--alpha", "1.0", "--data", "teacher", "--weights", "spherical")
    assert asked["angle"] == pytest.approx(want[1], rel=1e-9)


# --- algorithm --------------------------------------------------------------------------------------
def test_an_algorithm_finds_weights_with_a_history_and_goes_on_from_a_checkpoint(copy):
    got = ask(
        copy,
        """
instances = fp.make_instances(fp.Model(fp.Teacher(), fp.Gibbs("binary")), 11, 1.0, count=3, seed=2)
for k in (0, 1):
    found = fp.find(instances, fp.Oracle(), seed=4, threads=2, progress=False, checkpoint="oracle.npz")
    out[str(k)] = [found.iterations.tolist(), found.solved.tolist(), found.history.overlap.values.tolist(), repr(found.algorithm)]
try:
    fp.Oracle(0)
except fp.errors.InvalidInput as error:
    out["refused"] = str(error)
""",
    )
    iterations, solved, overlap, name = got["0"]
    assert got["1"] == got["0"] and iterations == [3] * 3 and solved == [True] * 3 and name == "Oracle(steps=3)"
    assert all(row[2] == 1.0 and row[0] == row[1] and abs(row[0]) < 1.0 for row in overlap)
    assert "steps must be" in got["refused"]


# --- the command line -------------------------------------------------------------------------------
def test_the_command_line_knows_every_entry(copy):
    energy = command(copy, "solve", "0.9", "--margin", "0.3", "--beta", "1.5", "--energy", "steep")
    assert energy["energy"] == pytest.approx(2.0 * fp.solve(gibbs(3.0), 0.9).energy, rel=1e-9)
    loss = command(copy, "solve", "2", "--data", "gaussian-mixture", "--loss", "steep", "--l2", "0.4")
    assert loss["q"] == pytest.approx(fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("squared-hinge", 0.2)), 2.0).q, rel=1e-9)
    activation = command(copy, "solve", "0.5", "--network", "tree-committee", "--activation", "swift")
    want = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee(swift))), 0.5)
    assert activation["q"] == pytest.approx(want.q, rel=1e-8)
