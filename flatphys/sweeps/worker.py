"""The program of a local worker: reads chunks on standard input, answers with blocks on standard output.

Frames are a length (8 bytes) and a pickle.  The first is the plan.  When the pipe closes, because the
driver ended or was killed, the worker leaves at once, whatever it is computing.
"""

import os
import pickle
import queue
import struct
import sys
import threading

READY = b"flatphys worker ready"


def write_frame(stream, data: bytes) -> None:
    """One frame."""
    stream.write(struct.pack("<Q", len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream) -> bytes:
    """One frame; raises EOFError where the stream ends."""
    head = _exactly(stream, 8)
    return _exactly(stream, struct.unpack("<Q", head)[0])


def _exactly(stream, count):
    data = stream.read(count)
    if data is None or len(data) < count:
        raise EOFError
    return data


def main() -> None:
    """Serve one driver."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a question prints must not get between the frames
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    frames = queue.SimpleQueue()

    def listen():
        try:
            while True:
                frames.put(read_frame(source))
        except BaseException:
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    from flatphys.sweeps.point import run

    job = frames.get()
    write_frame(sink, READY)
    while True:
        try:
            answer = run(job, frames.get())
        except BaseException as error:  # not a failed point (it has a status): the plan itself cannot be run here
            answer = f"{type(error).__name__}: {error}"
        try:
            write_frame(sink, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
        except OSError:
            os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
