"""The tutorial's own stack: Keras on TensorFlow, ``Sequential`` with ``Dropout`` and ``MaxNorm``, fold by fold.

TensorFlow is a large install and no requirement, not even of the benchmarks: where it is missing this peer is left out.
The tutorial wraps the model in ``KerasClassifier`` for ``cross_val_score``; here the folds are a loop, which is no
slower.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import Hyperparameters, TrainingPlan

AVAILABLE = find_spec("tensorflow") is not None
WHAT = "Keras and TensorFlow"
MISSING = "Keras was left out: TensorFlow is not installed (`pip install tensorflow`)."


def train_trial(data: Dataset, folds: Folds, plan: TrainingPlan, trial: Hyperparameters) -> float:
    """Cross-validates one configuration of two classes.

    Returns:
        Mean accuracy on validation rows at the last epoch.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    tensorflow: Any = import_module("tensorflow")
    keras: Any = import_module("keras")
    # One process per core has one thread each. Only before TensorFlow has done anything can it be told so.
    if tensorflow.config.threading.get_intra_op_parallelism_threads() != 1:
        tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(plan.seed)
    features, target = data.features[:, : len(data.info.features)].numpy(), data.target.numpy()
    scores = []
    for rows, held_out in zip(folds.train, folds.test, strict=True):
        train, test = rows.numpy(), held_out.numpy()
        mean, std = features[train].mean(0), features[train].std(0)
        scaled = (features - mean) / np.where(std > 0, std, 1.0)
        keras.backend.clear_session()
        model = _model(keras, scaled.shape[1], plan, trial)
        decay = trial.lr_decay ** (1 / max(1, plan.epochs - 1))
        schedule = keras.callbacks.LearningRateScheduler(lambda epoch, _, d=decay: trial.learning_rate * d**epoch)
        model.fit(
            scaled[train],
            target[train],
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            callbacks=[schedule],
            verbose=0,
        )
        predicted = model.predict(scaled[test], verbose=0)[:, 0] > 0.5
        scores.append(float((predicted == (target[test] > 0.5)).mean()))
    return float(np.mean(scores))


def _model(keras: Any, features: int, plan: TrainingPlan, trial: Hyperparameters) -> Any:
    bound = None if trial.max_norm is None else keras.constraints.MaxNorm(trial.max_norm)
    penalty = keras.regularizers.L2(trial.weight_decay / 2) if trial.weight_decay else None
    layers = [keras.Input((features,))]
    for layer, (rate, units) in enumerate(zip(trial.dropout, (*trial.hidden, 1), strict=True)):
        if rate > 0:
            layers.append(keras.layers.Dropout(rate))
        last = layer == len(trial.hidden)
        layers.append(
            keras.layers.Dense(
                units,
                activation="sigmoid" if last else plan.activation,
                kernel_initializer="glorot_uniform",
                kernel_constraint=None if last else bound,
                kernel_regularizer=penalty,
            )
        )
    model = keras.Sequential(layers)
    model.compile(
        loss="binary_crossentropy",
        optimizer=keras.optimizers.SGD(trial.learning_rate, trial.momentum, nesterov=plan.nesterov),
    )
    return model
