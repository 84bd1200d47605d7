"""Definition ↔ Optuna.

``proposer``: the proposals of the next trials · ``arms``: which configurations each arm can take, and whose turn it is
· ``samplers``: one arm's sampler · ``view``: the trials that it sees · ``median``: pruning by the median · ``memory``:
studies in memory, and how trials end in them.
"""
