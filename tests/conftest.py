"""Property tests draw the same examples on every machine, and have no time limit (kernels compile on first use)."""

import hypothesis

hypothesis.settings.register_profile("flatphys", deadline=None, derandomize=True, database=None, print_blob=False)
hypothesis.settings.load_profile("flatphys")
