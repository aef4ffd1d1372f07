"""Chains on an NVIDIA GPU: what lies on the device, in how many batches, and what to say when there is none.

Walkers that fit into the free memory of the device stay there between calls; otherwise they pass through it in batches of whole
groups, and a batch that turns out to be too large after all is halved.
"""

import warnings

import numpy as np

from flatphys.errors import NoDevice

SHARED_BYTES = 48 * 1024 - 64  # dynamic shared memory of a block that needs no special permission
MEMORY_SHARE = 0.85  # of the free device memory
LAUNCH_WORK = 2e12  # fields times steps per slice: seconds on a large GPU
MOST_THREADS = 256
PER_THREAD = 8  # real fields a thread is given before the block grows
_STATE = ("w", "h", "energy", "level", "at", "order", "accepted", "swapped")


def _cuda():
    """numba's cuda module, or the reason why there is none."""
    try:
        from numba import cuda
    except ImportError as error:
        return None, str(error)
    try:
        if cuda.is_available():
            return cuda, ""
        return None, f"numba finds no usable CUDA driver or device ({cuda.cuda_error() or 'no device'})"
    except Exception as error:  # a driver too old, a broken toolkit: whatever numba meets is a reason, not a crash
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

        from flatphys.finite_size.chains import committee_cuda, metropolis_cuda

        self.committee_kernel = committee_cuda.committee_kernel
        self.cuda, self.kernels, self.walkers = cuda, metropolis_cuda, walkers
        self.size = groups_per_batch or self._groups_that_fit()
        self._resident = None  # device arrays of all walkers, if they fit
        self._ahead = False  # whether the device has moved on since the host's arrays were brought up to date
        self._layout()

    # --- launch parameters --------------------------------------------------------------------------
    def _layout(self):
        s, k = self.walkers, self.kernels
        if s.kind == "bits":
            words = s.bits.shape[2]
            self.threads = min(MOST_THREADS, 32 * -(-words // 32))
            other, fields = k.bits_bytes(s.n, words, self.threads, s.dtype.itemsize)
            shared = other + fields <= SHARED_BYTES
            self.kernel = k.bits_kernel(s.dtype.itemsize, shared)
        else:
            self.threads = min(MOST_THREADS, 32 * -(-s.p // (32 * PER_THREAD)))
            other, fields = k.WORD_BYTES * self.threads, 8 * s.p
            shared = s.kind == "real" and other + fields <= SHARED_BYTES
            self.kernel = k.real_kernel(shared) if s.kind == "real" else self.committee_kernel
        self.shared_bytes = other + fields if shared else other

    def _groups_that_fit(self):
        s = self.walkers
        patterns = s.bits if s.kind == "bits" else s.x
        state = sum(a.nbytes for a in (s.w, s.h, s.energy, s.level, s.order, getattr(s, "sums", s.energy)))
        free = self.cuda.current_context().get_memory_info()[0]
        return groups_that_fit(free, s.groups, s.instances.count, patterns.nbytes, state)

    def slice(self, sweeps):
        s = self.walkers
        return max(1, min(sweeps, int(LAUNCH_WORK / (s.count * s.steps * max(s.p, 256)))))

    # --- moving arrays ------------------------------------------------------------------------------
    def _upload(self, lo, hi):
        """Device arrays of the groups lo to hi."""
        s = self.walkers
        b, replicas = len(s.betas), s.groups // s.instances.count
        instances = slice(lo // replicas, -(-hi // replicas))
        send = self.cuda.to_device
        d = {"lo": lo, "hi": hi, "walker0": lo * b, "instance0": instances.start}
        for name in _STATE:
            rows = slice(lo, hi) if name in ("at", "accepted", "swapped") else slice(lo * b, hi * b)
            d[name] = send(_filled(getattr(s, name)[rows]))
        d["spread"] = send(s.spread[instances])
        d["tables"], d["swaps"] = send(s.tables), send(_filled(s.swaps))
        if s.kind == "bits":
            d["bits"], d["valid"], d["threshold"] = send(s.bits[instances]), send(s.valid), send(s.threshold)
        else:
            d["x"] = send(s.x[instances])
        if s.kind == "committee":
            d["labels"], d["signs"] = send(s.instances.labels[instances]), send(s.signs)
            d["sums"] = send(s.sums[lo * b : hi * b])
        return d

    def _download(self, d, names=None):
        s = self.walkers
        b = len(s.betas)
        for name in names or (*_STATE, *(("sums",) if s.kind == "committee" else ())):
            host = getattr(s, name)
            rows = slice(d["lo"], d["hi"]) if name in ("at", "accepted", "swapped") else slice(d["lo"] * b, d["hi"] * b)
            if host[rows].size:
                host[rows] = d[name].copy_to_host()

    def pull(self, *names):
        """Bring the host's arrays up to date, or those named."""
        if self._ahead:
            self._download(self._resident, names)
            self._ahead = bool(names)

    def push(self, *names):
        """The host's arrays have changed, or those named: send them before the next sweep."""
        if not names:
            self._resident, self._ahead = None, False
        elif self._resident is not None:
            for name in names:
                self._resident[name] = self.cuda.to_device(getattr(self.walkers, name))

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
        else:
            blocks = -(-(d["hi"] - d["lo"]) // 64)
            for sweep in range(s.sweeps, s.sweeps + sweeps):
                self._sweep(d, sweep, 1)
                self.kernels.exchange_kernel[blocks, 64](d["lo"], sweep, *s.key, d["at"], d["level"], d["energy"], d["swaps"], d["swapped"])

    def _sweep(self, d, sweep, sweeps):
        s = self.walkers
        start = (d["walker0"], d["instance0"], sweeps * s.steps, sweep * s.steps, *s.key, s.mode)
        state, chain = (d["w"], d["h"]), (d["energy"], d["level"], d["order"])
        launch = self.kernel[(d["hi"] - d["lo"]) * len(s.betas), self.threads, 0, self.shared_bytes]
        if s.kind == "bits":
            launch(*start, s.agree, d["bits"], s.per_instance, *state, *chain, d["tables"], d["threshold"], d["valid"], d["accepted"])
        elif s.kind == "real":
            launch(*start, s.low, s.agree, d["x"], s.per_instance, *state, *chain, d["spread"], d["tables"], s.threshold, d["accepted"])
        else:
            launch(
                *start,
                s.agree,
                s.code,
                s.root,
                d["signs"],
                d["labels"],
                d["x"],
                s.per_instance,
                *state,
                d["sums"],
                *chain,
                d["spread"],
                d["tables"],
                s.threshold,
                d["accepted"],
            )


def _filled(array):
    """A device array must not be empty."""
    return array if array.size else np.zeros(tuple(max(1, n) for n in array.shape), array.dtype)


def _out_of_memory(error) -> bool:
    return isinstance(error, MemoryError) or "OUT_OF_MEMORY" in str(error)
