"""What a user waits for: the import, a warm command line, the first run after installation."""

import os
import subprocess
import sys
import tempfile
import time


def seconds(code_or_args, env=None, repeat=3):
    """Best wall time of a fresh process."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run([sys.executable, *code_or_args], check=True, env=env, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    """Print the times."""
    solve = ["-m", "flatphys", "solve", "--weights", "binary", "0.5"]
    bare = seconds(["-c", "pass"])
    print(f"bare interpreter                        {bare:6.2f} s")
    print(f"import flatphys                         {seconds(['-c', 'import flatphys']):6.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "NUMBA_CACHE_DIR": folder}
        print(f"flatphys solve, first run (compiling)   {seconds(solve, env, 1):6.2f} s")
        print(f"flatphys solve, cache on disk           {seconds(solve, env):6.2f} s")


if __name__ == "__main__":
    main()
