"""Which points are handed out next, and how many at a time: chunks of about equal time, small ones at the end.

Numbers do not depend on any of this: every point is computed from its own model and load alone.
"""

import collections
import math
import threading

import numpy as np

SECONDS = 0.15  # of one chunk: long beside handing it over, short beside what a lost chunk costs
LARGEST = 2048  # points in a chunk
GROWTH = 8  # largest growth from one chunk to the next
LONELY = 2  # processes that died with a point before it is tried alone
DEADLY = 5  # processes that died with a point before it is given up


class Chunks:
    """The points still to be done, shared among threads."""

    def __init__(self, todo: np.ndarray, lanes: int):
        self._todo, self._next = todo, 0
        self._again = collections.deque()  # chunks whose process died
        self._deaths = collections.Counter()
        self._changed = threading.Condition()
        self._lanes, self._pace, self._size, self._closed = lanes, math.nan, 1, False

    @property
    def lanes(self) -> int:
        """How many processes take chunks."""
        return self._lanes

    @lanes.setter
    def lanes(self, value):
        self._lanes = value

    def take(self, fresh_only=False, wait=False) -> np.ndarray | None:
        """The next chunk; None where there is none (with `wait`, only after `close`).

        `fresh_only`: no chunk with which a process died before.
        """
        with self._changed:
            while True:
                if self._closed:
                    return None
                if self._again and not fresh_only:
                    return self._again.popleft()
                left = self._todo.size - self._next
                if left:
                    size = 1 if math.isnan(self._pace) else int(SECONDS / max(self._pace, 1e-9))
                    size = max(1, min(size, GROWTH * self._size, LARGEST, -(-left // (2 * self._lanes))))
                    chunk = self._todo[self._next : self._next + size]
                    self._next += size
                    return chunk
                if not wait:
                    return None
                self._changed.wait(0.5)

    def done(self, count: int, seconds: float) -> None:
        """A chunk of so many points took so long."""
        with self._changed:
            if count:
                self._pace, self._size = seconds / count, max(count, 1)

    def back(self, points: np.ndarray) -> None:
        """Points that were handed out and not computed."""
        if points.size:
            with self._changed:
                self._todo = np.concatenate([points, self._todo[self._next :]])
                self._next = 0
                self._changed.notify_all()

    def died(self, points: np.ndarray) -> np.ndarray:
        """Points whose process died: they are tried again, at last one by one; returns those that are given up."""
        with self._changed:
            self._deaths.update(points.tolist())
            lost = np.array([p for p in points.tolist() if self._deaths[p] >= DEADLY and points.size == 1], dtype=np.int64)
            rest = points[~np.isin(points, lost)]
            if rest.size:
                alone = max(self._deaths[p] for p in rest.tolist()) >= LONELY
                self._again.extend([rest[i : i + 1] for i in range(rest.size)] if alone else [rest])
            self._changed.notify_all()
            return lost

    def expected(self) -> float:
        """Seconds that one process would need for what is left."""
        return (self._todo.size - self._next) * self._pace

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
