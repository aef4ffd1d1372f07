"""Ctrl-C, as the real signal, inside of compiled searches for minimisers: heard as soon as the search in progress has ended."""

import os
import signal
import threading
import time

import pytest

import flatphys as fp

ENDLESS = [  # loads and penalties at which single searches are longest
    (fp.Model(fp.Teacher(), fp.ERM("logistic", l2=5e-324)), 0.7),
    (fp.Model(fp.GaussianMixture(0.01, 0.3), fp.ERM("hinge", 1e-12, True)), 2.0),
    (fp.Model(fp.Teacher(1e-6), fp.ERM("squared-hinge", 1e-11)), 1000.0),
]


@pytest.mark.parametrize(("model", "alpha"), ENDLESS)
def test_ctrl_c_is_heard_within_a_second_of_work(model, alpha):
    try:  # compiled, and warm
        fp.solve(model, alpha)
    except fp.errors.NotConverged:
        pass
    pressed = []

    def press():
        pressed.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.1, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            try:
                fp.solve(model, alpha)
            except fp.errors.NotConverged:
                continue
    assert time.process_time() - pressed[0] < 1.0
    timer.join()
    state = fp.solve(fp.Model(fp.Teacher(), fp.ERM("logistic", 0.1)), 1.0)  # nothing is left broken
    assert state.residual < 1e-11
