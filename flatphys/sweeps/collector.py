"""Collector: the one thread that takes finished points, into the table, the store and the progress bar."""

import queue
import threading
import time

from flatphys.sweeps.point import FAILED, INTERRUPTED

EVERY = 0.2  # seconds between two transactions of the store
MANY = 5000  # points after which one is made anyway


class Collector(threading.Thread):
    """Takes blocks until `finish`; its own failure (a full disk) sets `stopped` and is raised by `finish`."""

    def __init__(self, table, total, store=None, keys=None, progress=None):
        super().__init__(name="flatphys-sweep-collector", daemon=True)
        self._table, self._store, self._keys, self._progress = table, store, keys, progress
        self._blocks, self._waiting, self._count = queue.SimpleQueue(), [], 0
        self._last = time.monotonic()
        self.total, self.done = total, 0
        self.stopped = threading.Event()
        self.complete = threading.Event()
        self.error = None
        if total == 0:
            self.complete.set()

    def put(self, block) -> None:
        """Hand over finished points."""
        self._blocks.put(block)

    def run(self):
        """The thread's work."""
        try:
            while True:
                try:
                    block = self._blocks.get(timeout=EVERY if self._waiting else None)
                except queue.Empty:
                    self._flush()
                    continue
                if block is None:
                    break
                self._take(block)
            self._flush()
        except BaseException as error:
            self.error = error
            self.stopped.set()
            self.complete.set()

    def _take(self, block):
        self._table.put(block)
        self.done += block.points.size
        if self._progress is not None:
            self._progress.update(self.done)
        if self._store is not None:
            self._waiting.append(block)
            self._count += block.points.size
            if self._count >= MANY or time.monotonic() - self._last >= EVERY:
                self._flush()
        if self.done >= self.total:
            self.complete.set()

    def _flush(self):
        if self._waiting:
            self._store.write(self._keys, self._waiting, (INTERRUPTED, FAILED))
            self._waiting, self._count = [], 0
        self._last = time.monotonic()

    def finish(self) -> None:
        """Take what was handed over, commit it, end."""
        self._blocks.put(None)
        self.join()
        if self.error is not None:
            raise self.error
