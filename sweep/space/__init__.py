"""Definition ↔ Optuna.

``proposer``: the proposals of the next trials · ``arms``: which configurations each arm can take, and whose turn it is
· ``samplers``: one arm's sampler · ``memory``: studies in memory.
"""
