"""Exported Keras scripts at work, in a process of its own: importing Keras takes seconds, and here it cannot see us.

    python tests/keras_process.py FOLDER [SCRIPT TABLE]

For each ``NAME.py`` in the folder, ``NAME.npz`` holds initial parameters, features and a target; what the script makes
of them is written to ``NAME.out.npz``: predictions before and after training, and the parameters after.
Then the other script is run as a program on its table.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np


def work(path: Path) -> None:
    """One script. Rows are taken in the order they have: of the shuffling, both frameworks have their own."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    given = np.load(path.with_suffix(".npz"))
    parameters = [given[f"parameter{place}"] for place in range(sum(name.startswith("parameter") for name in given))]
    network = script.build_network()
    initial = [np.array(each) for each in network.get_weights()]
    network.set_weights(parameters)
    before = script.predict(network, given["x"])
    fit = network.fit
    network.fit = lambda *arguments, **options: fit(*arguments, **options, shuffle=False)
    script.train(network, given["x"], given["y"])
    trained: dict[str, Any] = {f"parameter{place}": each for place, each in enumerate(network.get_weights())}
    started: dict[str, Any] = {f"initial{place}": each for place, each in enumerate(initial)}
    after = script.predict(network, given["x"])
    np.savez(path.with_suffix(".out.npz"), before=before, after=after, **trained, **started)


if __name__ == "__main__":
    with suppress(ImportError):
        importlib.import_module("sweep")
        sys.exit("this package can be imported here")
    for script_path in sorted(Path(sys.argv[1]).glob("*.py")):
        work(script_path)
    if len(sys.argv) > 2:
        del sys.argv[:2]
        runpy.run_path(sys.argv[0], run_name="__main__")
