"""Chains on an NVIDIA GPU: what lies on the device, in how many batches, and what to say when there is none.

Walkers that fit into the free memory of the device stay there between calls; otherwise they pass through it in batches of whole
groups, and a batch that turns out to be too large after all is halved.
"""

import warnings

import numpy as np

from flatphys.errors import NoDevice
from flatphys.finite_size.chains.layout import Span

SHARED_BYTES = 48 * 1024 - 64  # dynamic shared memory of a block that needs no special permission
MEMORY_SHARE = 0.85  # of the free device memory
LAUNCH_WORK = 2e12  # fields times steps per slice: seconds on a large GPU
MOST_THREADS = 256
PER_THREAD = 8  # real fields a thread is given before the block grows
_BY_GROUP = ("at", "accepted", "swapped")  # arrays with a row per group; the others have one per walker


def _cuda():
    """numba's cuda module, or the reason why there is none; what that package warns of on its way in is not the caller's business."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from numba import cuda

            if cuda.is_available():
                return cuda, ""
            return None, f"numba finds no usable CUDA driver or device ({cuda.cuda_error() or 'no device'})"
    except Exception as error:  # not installed, not made for this numpy, a driver too old: whatever numba meets is a reason, not a crash
        return None, str(error)


def available() -> bool:
    """Whether a GPU can be used."""
    return _cuda()[0] is not None


def require():
    """Raise `NoDevice` unless a GPU can be used."""
    cuda, reason = _cuda()
    if cuda is None:
        raise NoDevice(
            f"device 'cuda' needs an NVIDIA GPU with its driver and the package numba-cuda: {reason}. "
            "Install it with: pip install 'flatphys[cuda]'; or take device='cpu' or device='auto'"
        )


def groups_that_fit(free, groups, instances, pattern_bytes, state_bytes) -> int:
    """How many groups a batch may hold: their chains and the patterns of the instances they belong to, of which two may be cut."""
    left = MEMORY_SHARE * free
    if pattern_bytes + state_bytes <= left:
        return groups
    each = (pattern_bytes + state_bytes) / groups
    return max(1, min(groups, int((left - 2 * pattern_bytes / instances) / each)))


class CudaBackend:
    """Advances `walkers` on the current CUDA device."""

    name = "cuda"

    def __init__(self, walkers, groups_per_batch=None):
        require()
        from numba import cuda

        from flatphys.finite_size.chains import metropolis_cuda

        self.cuda, self.exchange_kernel, self.walkers = cuda, metropolis_cuda.exchange_kernel, walkers
        self.size = groups_per_batch or self._groups_that_fit()
        self._resident = None  # what lies on the device, if all walkers fit
        self._ahead = False  # whether the device has moved on since the host's arrays were brought up to date
        self._layout()

    # --- launch parameters --------------------------------------------------------------------------
    def _layout(self):
        """Kernel, threads and shared memory."""
        from flatphys.finite_size.chains import bits_cuda, committee_cuda, metropolis_cuda

        s = self.walkers
        if s.kind == "bits":
            words = s.patterns.valid.size
            self.threads = min(MOST_THREADS, 32 * -(-words // 32))
            other, fields = bits_cuda.bits_bytes(s.n, words, self.threads, s.dtype.itemsize)
            shared = other + fields <= SHARED_BYTES
            self.kernel = bits_cuda.bits_kernel(s.dtype.itemsize, shared)
        else:
            self.threads = min(MOST_THREADS, 32 * -(-s.p // (32 * PER_THREAD)))
            other, fields = metropolis_cuda.WORD_BYTES * self.threads, 8 * s.p
            shared = s.kind == "real" and other + fields <= SHARED_BYTES
            self.kernel = metropolis_cuda.real_kernel(shared) if s.kind == "real" else committee_cuda.committee_kernel
        self.shared_bytes = other + fields if shared else other

    def _groups_that_fit(self):
        s = self.walkers
        patterns = s.patterns.bits if s.kind == "bits" else s.patterns.x
        state = sum(array.nbytes for array in s.state)
        free = self.cuda.current_context().get_memory_info()[0]
        return groups_that_fit(free, s.groups, s.instances.count, patterns.nbytes, state)

    def slice(self, sweeps):
        s = self.walkers
        return max(1, min(sweeps, int(LAUNCH_WORK / (s.count * s.steps * max(s.p, 256)))))

    # --- moving arrays ------------------------------------------------------------------------------
    def _rows(self, name, lo, hi):
        """The rows of an array of the state that belong to the groups lo to hi."""
        s = self.walkers
        if name == "sums" and s.kind != "committee":
            return slice(0, 0)
        b = 1 if name in _BY_GROUP else len(s.betas)
        return slice(lo * b, hi * b)

    def _upload(self, lo, hi):
        """What the kernels take for the groups lo to hi, on the device."""
        s, send = self.walkers, self._send
        replicas = s.groups // s.instances.count
        instances = slice(lo // replicas, -(-hi // replicas))
        state = {name: send(array[self._rows(name, lo, hi)]) for name, array in s.state._asdict().items()}
        bath = {name: send(array) for name, array in s.bath._asdict().items()}
        bath["spread"] = send(s.bath.spread[instances])
        wanted = {"bits": ("bits", "valid"), "real": ("x",), "committee": ("x", "labels")}[s.kind]
        patterns = {name: send(getattr(s.patterns, name)[:0]) for name in ("x", "bits", "valid", "labels")}
        patterns |= {name: send(getattr(s.patterns, name)[slice(None) if name == "valid" else instances]) for name in wanted}
        out = {"lo": lo, "hi": hi, "state": s.state._replace(**state), "bath": s.bath._replace(**bath)}
        out["patterns"] = s.patterns._replace(**patterns, first=instances.start)
        if s.kind == "committee":
            out["layer"] = s.layer._replace(signs=send(s.layer.signs), table=send(s.layer.table))
        out["limit"] = send(s.limit)
        return out

    def _send(self, array):
        """On the device, where no array may be empty."""
        shape = tuple(max(1, n) for n in array.shape)
        return self.cuda.to_device(np.ascontiguousarray(array) if array.size else np.zeros(shape, array.dtype))

    def _download(self, d, names=None):
        for name in names or d["state"]._fields:
            host = getattr(self.walkers.state, name)
            rows = self._rows(name, d["lo"], d["hi"])
            if host[rows].size:
                host[rows] = getattr(d["state"], name).copy_to_host()

    def pull(self, *names):
        """Bring the host's state up to date, or the arrays named."""
        if self._ahead:
            self._download(self._resident, names)
            self._ahead = bool(names)

    def push(self, *names):
        """The host's arrays have changed (or only the spread of rotations): send them before the next sweep."""
        if not names:
            self._resident, self._ahead = None, False
        elif self._resident is not None:
            self._resident["bath"] = self._resident["bath"]._replace(spread=self._send(self.walkers.bath.spread))

    # --- running ------------------------------------------------------------------------------------
    def run(self, sweeps: int):
        """Advance all walkers."""
        s = self.walkers
        if self.size >= s.groups and self._resident is None:
            try:
                self._resident = self._upload(0, s.groups)
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                self.size = max(1, s.groups // 2)
        if self._resident is not None:
            self._launch(self._resident, sweeps)
            self._ahead = True
            return
        lo = 0
        while lo < s.groups:
            hi = min(s.groups, lo + self.size)
            try:
                d = self._upload(lo, hi)
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                if self.size == 1:
                    raise MemoryError("one replica and its patterns do not fit into the memory of the GPU; take device='cpu'") from error
                self.size = max(1, self.size // 2)
                continue
            self._launch(d, sweeps)
            self._download(d)
            lo = hi

    def _launch(self, d, sweeps):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Grid size")  # few chains are the user's choice
            self._sweeps(d, sweeps)
        self.cuda.synchronize()

    def _sweeps(self, d, sweeps):
        s = self.walkers
        b = len(s.betas)
        if b == 1:
            self._sweep(d, s.sweeps, sweeps)
            return
        blocks = -(-(d["hi"] - d["lo"]) // 64)
        for sweep in range(s.sweeps, s.sweeps + sweeps):
            self._sweep(d, sweep, 1)
            self.exchange_kernel[blocks, 64](Span(d["lo"], d["hi"], sweep, 1, *s.key), d["bath"], d["state"])

    def _sweep(self, d, sweep, sweeps):
        s, b = self.walkers, len(self.walkers.betas)
        span = Span(d["lo"] * b, d["hi"] * b, sweep * s.steps, sweeps * s.steps, *s.key)
        launch = self.kernel[(d["hi"] - d["lo"]) * b, self.threads, 0, self.shared_bytes]
        if s.kind == "bits":
            launch(span, s.move, d["limit"], d["bath"], d["patterns"], d["state"])
        elif s.kind == "real":
            launch(span, s.move, s.cost, d["bath"], d["patterns"], d["state"])
        else:
            launch(span, s.move, s.cost, d["bath"], d["patterns"], d["layer"], d["state"])


def _out_of_memory(error) -> bool:
    return isinstance(error, MemoryError) or "OUT_OF_MEMORY" in str(error)
