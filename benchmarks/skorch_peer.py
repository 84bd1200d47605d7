"""The stack that many practitioners take: skorch in a scikit-learn pipeline under ``cross_val_score``.

The same network, folds, mini-batches, epochs and hyperparameters as ``sweep.training.train``, SGD with momentum,
max-norm as a callback after every mini-batch, the learning rate by ``LRScheduler``. Written as skorch's own documents
have it, one thread a process. Scored once, at the last epoch: nobody measures every fold at every checkpoint this way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.plain_loop import network
from sweep.data import Dataset
from sweep.folds import Folds
from sweep.records import Hyperparameters, TrainingPlan

AVAILABLE = True
WHAT = "skorch and `cross_val_score`"


def train_trial(data: Dataset, folds: Folds, plan: TrainingPlan, trial: Hyperparameters) -> float:
    """Cross-validates one configuration of two classes.

    Returns:
        Mean accuracy on validation rows at the last epoch.
    """
    # Seconds to import, which the other benchmarks need not pay.
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from skorch import NeuralNetBinaryClassifier
    from skorch.callbacks import Callback, LRScheduler

    class MaxNorm(Callback):  # type: ignore[misc]  # skorch ships no types
        """After every update, as Keras has it too."""

        def on_batch_end(self, net: Any, training: bool | None = None, **_: Any) -> None:
            if training and trial.max_norm is not None:
                hidden = [module for module in net.module_.net if isinstance(module, torch.nn.Linear)][:-1]
                with torch.no_grad():
                    for linear in hidden:
                        linear.weight.renorm_(2, 0, trial.max_norm)

    class Network(torch.nn.Module):
        """One logit for each row."""

        def __init__(self) -> None:
            super().__init__()
            self.net = network(len(data.info.features), 1, plan, trial)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.net(rows)[:, 0]  # type: ignore[no-any-return]

    torch.manual_seed(plan.seed)
    classifier = NeuralNetBinaryClassifier(
        Network,
        optimizer=torch.optim.SGD,
        optimizer__momentum=trial.momentum,
        optimizer__nesterov=plan.nesterov,
        optimizer__param_groups=[("*.weight", {"weight_decay": trial.weight_decay})],
        lr=trial.learning_rate,
        batch_size=plan.batch_size,
        max_epochs=plan.epochs,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[
            MaxNorm(),
            LRScheduler("ExponentialLR", gamma=trial.lr_decay ** (1 / max(1, plan.epochs - 1))),
        ],
        verbose=0,
    )
    features = data.features[:, : len(data.info.features)].numpy()
    splits = [(rows.numpy(), held_out.numpy()) for rows, held_out in zip(folds.train, folds.test, strict=True)]
    scores = cross_val_score(
        make_pipeline(StandardScaler(), classifier),
        features,
        data.target.numpy(),
        cv=splits,
        scoring="accuracy",
    )
    return float(np.mean(scores))
