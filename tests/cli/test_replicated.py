"""The command replicated-entropy and the thresholds of dense regions, through typer's runner."""

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys.cli import app

pytestmark = pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")  # regions, at small distances
RUN = CliRunner()
MODEL = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))


def test_the_table_holds_what_the_library_says():
    result = RUN.invoke(app, ["replicated-entropy", "0.6", "--distance", "0.02,0.1"])
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    want = fp.replicated_entropy(MODEL, 0.6, distance=[0.02, 0.1])
    np.testing.assert_allclose([float(row["value"]) for row in rows], want.value, rtol=1e-14)
    np.testing.assert_allclose([float(row["slope"]) for row in rows], want.slope, rtol=1e-14)


def test_json_names_the_number_of_replicas():
    result = RUN.invoke(app, ["replicated-entropy", "0.6", "--distance", "0.05", "--json"])
    answer = json.loads(result.stdout)
    assert answer["y"] == "inf" and answer["points"][0]["status"] == "ok"


def test_a_tree_committee_is_asked_by_its_network_and_activation():
    network = ["--network", "tree-committee", "--activation", "relu"]
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee("relu")))
    rows = list(csv.DictReader(io.StringIO(RUN.invoke(app, ["replicated-entropy", "0.6", "--distance", "0.1", *network]).stdout)))
    assert float(rows[0]["value"]) == fp.replicated_entropy(model, 0.6, distance=[0.1]).value[0]
    answer = json.loads(RUN.invoke(app, ["threshold", "dense-flatness", *network, "--json"]).stdout)
    assert answer["dense_flatness"] == fp.flatness_threshold(model, reference="replicated")


def test_bad_input_is_refused_with_status_2():
    for arguments in (["half", "--distance", "0.1"], ["0.5", "--distance", "2"], ["0.5", "--distance", "0.1", "--y", "one"]):
        assert RUN.invoke(app, ["replicated-entropy", *arguments]).exit_code == 2


def test_the_flatness_threshold_of_dense_regions_is_asked_by_name():
    """0.7553020: Baldassi et al., PRL 115 128101 (2015), and the project's reference table."""
    result = RUN.invoke(app, ["threshold", "dense-flatness", "--json"])
    assert abs(json.loads(result.stdout)["dense_flatness"] - 0.7553020) < 1e-7


def test_one_step_states_are_solved_from_the_command_line():
    result = RUN.invoke(app, ["solve", "--weights", "spherical", "--margin", "-0.5", "4.3", "--ansatz", "1RSB", "--json"])
    state = json.loads(result.stdout)
    assert state["ansatz"] == "1RSB" and state["q0"] < state["q1"] and state["residual"] < 1e-10


GIBBS = ["--data", "gaussian-mixture", "--learner", "gibbs", "--weights", "spherical", "--energy", "hinge", "--margin", "1", "--beta", "1"]


def test_replicas_on_the_mixture_and_their_picture(tmp_path):
    picture = tmp_path / "centre.png"
    result = RUN.invoke(app, ["replicated-entropy", "2", *GIBBS, "--distance", "0.1:0.4:4", "--plot", str(picture)])
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    model = fp.Model(fp.GaussianMixture(), fp.Gibbs("spherical", 1.0, 1.0, energy="hinge"))
    want = fp.replicated_entropy(model, 2.0, distance=[0.1, 0.2, 0.3, 0.4])
    for name in ("m1", "cosine", "centre_generalization_error", "free_entropy", "energy"):
        assert [float(row[name]) for row in rows] == getattr(want, name).tolist()
    assert picture.read_bytes()[1:4] == b"PNG"
    wrong = RUN.invoke(app, ["replicated-entropy", "2", *GIBBS, "--distance", "0.1", "--plot", "centre.txt"])
    assert wrong.exit_code == 2


def test_flattest_prints_a_sentence_and_json():
    arguments = ["flattest", "2", "--data", "teacher", "--weights", "spherical", "--energy", "hinge", "--beta", "5"]
    assert RUN.invoke(app, arguments).stdout.startswith("the centre is best at distance 0.111, 6.4e-05 above Bayes; typical distance 0.206")
    answer = json.loads(RUN.invoke(app, [*arguments, "--json"]).stdout)
    best = fp.flattest(fp.Model(fp.Teacher(), fp.Gibbs("spherical", beta=5.0, energy="hinge")), 2.0)
    assert answer["distance"] == best.distance and answer["excess"] == best.excess and answer["at_limit"] == 0.0
    limit = json.loads(RUN.invoke(app, ["flattest", "2", *GIBBS, "--json"]).stdout)
    assert limit["at_limit"] == 1.0 and limit["distance"] == 0.5
    assert RUN.invoke(app, ["flattest", "2", "--data", "random-labels"]).exit_code == 2
