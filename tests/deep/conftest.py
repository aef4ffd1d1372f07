"""These tests need torch: without it each file is left out, with the reason in pytest's summary."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'flatphys[torch]'")
torch.set_num_threads(1)
