"""Definitions that several tests read."""

from __future__ import annotations

# The example of the design, every key of it.
WHOLE = """
format = 1
name = "sonar"
seed = 7

[data]
source = "openml:40"
target = "Class"
header = false
task = "classification"
positive = "M"
categorical = ["sex"]
drop = ["id"]
groups = "patient"

[network]
hidden = { choices = [[60, 30], [120, 60]] }
activation = "tanh"
init = "he_uniform"

[training]
epochs = 30
batch_size = 8
nesterov = true
checkpoints = 3
stop = "last"
class_weight = "balanced"

[space]
placement = { choices = ["none", "input+hidden2"] }
dropout = { low = 0.1, high = 0.5, step = 0.1 }
learning_rate = { low = 0.003, high = 0.5, log = true }
momentum = 0.9
max_norm = { choices = [1, 3.5, "off"] }
lr_decay = { choices = [1.0] }
weight_decay = 0

[space.dropout_layers]
hidden2 = 0.25
input = { low = 0.01, high = 0.3 }

[validation]
folds = 5
repeats = 2
scheme = "group"
metric = "roc_auc"

[search]
trials = 64
batch = 4
allocation = "sampler"
sampler = "random"
pruner = "halving"
reduction = 2
lag = 0
"""
