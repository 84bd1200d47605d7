"""Running a sweep: ask a batch, train it in blocks, save, tell; and again until the budget is met.

``loop``: a run from its beginning to its end · ``coordinator``: what it does in between · ``lease``: that nobody else
does · ``blocks``: from a batch to blocks · ``rungs``: which trials are compared, and go on · ``trials``: the trials in
the study · ``prepare``: definition and table brought together, and checked · ``resume``: a sweep made, or found again ·
``same``: whether it may go on · ``study``: Optuna's side of the database · ``events``: what a run tells meanwhile ·
``preview``: what would run, and for how long · ``upgrade``: an older database, ours and Optuna's tables ·
``memory``: one in memory, with all of them.
"""
