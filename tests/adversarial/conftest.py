"""Makes the package of random problems importable from its tests, and from the processes that they start."""

import os
import pathlib
import sys

HERE = str(pathlib.Path(__file__).parent)
sys.path.insert(0, HERE)
os.environ["PYTHONPATH"] = os.pathsep.join([HERE, *filter(None, [os.environ.get("PYTHONPATH")])])
