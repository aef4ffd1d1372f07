"""These tests need torch: without it each file skips itself, with the reason in pytest's summary."""

try:
    import torch
except ImportError:
    pass
else:
    torch.set_num_threads(1)
