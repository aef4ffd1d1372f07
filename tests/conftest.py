"""Property tests draw the same examples on every machine, and have no time limit (kernels compile on first use)."""

import os
import signal

# a run in the background of a shell is deaf to Ctrl-C and would hand that on: the tests of interruption need ears
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small systems: threads cost 20 times what they save on a busy machine

import hypothesis

hypothesis.settings.register_profile("flatphys", deadline=None, derandomize=True, database=None, print_blob=False)
hypothesis.settings.load_profile("flatphys")
