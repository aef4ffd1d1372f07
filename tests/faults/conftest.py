"""Faults for real: processes that are killed, bits that flip, disks that fill."""

import os
import pickle
import random
import resource
import signal
import time
import traceback

import pytest


def _begin(function, limit=None):
    """Run `function` in a fork of this process; returns (process, pipe with its pickled answer)."""
    source, sink = os.pipe()
    process = os.fork()
    if process:
        os.close(sink)
        return process, os.fdopen(source, "rb")
    status = 1
    try:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # what a full disk does: no file grows any further
        try:
            answer = function()
        except BaseException as error:
            answer = error.with_traceback(None) if isinstance(error, Exception) else traceback.format_exc()
        with os.fdopen(sink, "wb") as pipe:
            pipe.write(pickle.dumps(answer))
        status = 0
    finally:
        os._exit(status)


class Faults:
    """What can go wrong around some code."""

    @staticmethod
    def elsewhere(*functions, limit=None):
        """The answers (or exceptions) of functions that run at once, each in a process of its own."""
        begun = [_begin(function, limit) for function in functions]
        answers = []
        for process, pipe in begun:
            with pipe:
                answers.append(pickle.loads(pipe.read()))
            assert os.waitpid(process, 0)[1] == 0
        return answers

    @staticmethod
    def killed(function, seconds):
        """Run `function` in a process of its own that is killed after so long."""
        process, pipe = _begin(function)
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        pipe.close()

    @staticmethod
    def flips(data: bytes, count: int, seed: int):
        """`data` with one bit changed, so many times at other places."""
        draw = random.Random(seed)
        for place in draw.sample(range(8 * len(data)), count):
            changed = bytearray(data)
            changed[place // 8] ^= 1 << place % 8
            yield bytes(changed)


@pytest.fixture
def faults():
    if not hasattr(os, "fork"):
        pytest.skip("faults need fork")
    return Faults
