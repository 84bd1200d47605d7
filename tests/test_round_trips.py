"""One network, taken away in every form: all of them say the same of the same rows."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from safetensors.numpy import load_file

from sweep.records import Task
from tests.command_line import Program
from tests.exported import DEFINITION, TASKS, mixed_table

# Where nothing can import sweep: scripts and the ONNX model predict the table, with the weights and the scaling of the
# model's folder in the scripts.
ELSEWHERE = """
import importlib.util, json, sys
sys.modules["sweep"] = None
import numpy as np, torch
from safetensors.numpy import load_file

def module(path):
    spec = importlib.util.spec_from_file_location(path.removesuffix(".py"), path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found

for task in sys.argv[1:]:
    about = json.load(open(f"{task}-model/preprocessing.json", encoding="utf-8"))
    tensors = load_file(f"{task}-model/weights.safetensors")
    layers = [(tensors[f"weight{n}"][0], tensors[f"bias{n}"][0]) for n in range(1, len(tensors) // 2 + 1)]
    inverse = np.array(about["inverse_std"])
    std = np.where(inverse > 0, 1 / np.where(inverse > 0, inverse, 1), np.inf)
    found = {}
    for framework in ("torch", "keras"):
        script = module(f"{task}_{framework}.py")
        x = script.scale(script.prepare(script.load(f"{task}.csv"))[0], np.array(about["mean"]), std)
        network = script.build_network()
        if framework == "keras":
            network.set_weights([part for layer in layers for part in layer])
        else:
            with torch.no_grad():
                for linear, (weight, bias) in zip(script.linear_layers(network), layers, strict=True):
                    linear.weight.copy_(torch.from_numpy(weight.T))
                    linear.bias.copy_(torch.from_numpy(bias))
        found[framework] = script.predict(network, x)
    np.savez(f"{task}.npz", **found)
"""


def test_every_form_says_the_same_of_the_same_rows(program: Program) -> None:
    """``sweep predict``, both scripts with the weights of its model, and ONNX."""
    for task in TASKS:
        table = mixed_table(task)
        table.to_csv(program.folder / f"{task}.csv", index=False)
        definition = DEFINITION.replace('"mixed"', f'"{task}"').format(path=json.dumps(f"{task}.csv"))
        (program.folder / f"{task}.toml").write_text(definition)
        changes = ("--set", "space.max_norm=2.0", "--set", "space.dropout=0.2", "--set", "network.hidden=[12, 6]")
        program("run", f"{task}.toml", "--cluster", "inline", "--trials", "2", "--quiet", *changes)
        program("fit", task, "-o", f"{task}-model", "--quiet")
        program("predict", f"{task}-model", f"{task}.csv", "-o", f"{task}-predicted.csv")
        program("export", task, "--format", "python", "-o", f"{task}_torch.py")
        program("export", task, "--format", "keras", "-o", f"{task}_keras.py")
        program("export", task, "--format", "onnx", "-o", f"{task}.onnx")
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", ELSEWHERE, *TASKS], cwd=program.folder, env=environment, check=True)
    for task in TASKS:
        said = predicted(program.folder / f"{task}-predicted.csv", task)
        about = json.loads((program.folder / f"{task}-model" / "preprocessing.json").read_text("utf-8"))
        found = np.load(program.folder / f"{task}.npz")
        for framework in ("torch", "keras"):
            values, tolerance = found[framework], 1e-5
            if task == "binary":
                values = np.stack([1 - values, values], 1)
            elif task == "regression":
                values = values * about["target_std"] + about["target_mean"]
                tolerance *= about["target_std"]
            assert values.std() > 0
            np.testing.assert_allclose(values, said, rtol=0, atol=tolerance, err_msg=f"{task} {framework}")
        assert_same_weights(program.folder / f"{task}.onnx", program.folder / f"{task}-model")


def assert_same_weights(onnx_file: Path, model: Path) -> None:
    """The ONNX model has the network of the folder; that it predicts what that does was checked when it was written."""
    inside = [onnx.numpy_helper.to_array(one) for one in onnx.load(onnx_file).graph.initializer]
    tensors = load_file(model / "weights.safetensors")
    for name in ("weight1", "weight2", "bias1", "bias2"):  # of two classes the output layer is another one there
        wanted = tensors[name]
        assert any(part.size == wanted.size and np.array_equal(part.ravel(), wanted.ravel()) for part in inside), name


def predicted(path: Path, task: Task) -> NDArray[np.float64]:
    """Probabilities ``[n, classes]``, or numbers ``[n]``, of a file that ``sweep predict`` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if task == "regression":
        return np.array([float(row["prediction"]) for row in rows])
    names = [name for name in rows[0] if name.startswith("probability ")]
    return np.array([[float(row[name]) for name in names] for row in rows])
