"""From stored trials to result records: plain numbers, without torch.

``weighted``: metrics of many trials on many bootstraps · ``race``: who leads on each · ``honest``: the honest score
(BBC-CV) · ``honest_sweep``: that of a stored sweep, kept beside it · ``stability``: what other rows would have chosen ·
``results``: the result records that commands, the report and exports read · ``importance``: which hyperparameters
mattered · ``surrogate``: a smooth model of the score · ``effects``: the score against dropout rates, from that model ·
``summary``: from the store to those records · ``status``: how far sweeps are · ``study``: the Optuna study of one.
"""
