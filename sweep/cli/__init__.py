"""The command line.

``main``: the program · ``sweeping``, ``reading``, ``model``, ``operating``, ``storage``: its commands and options;
what they do is in ``commands/`` · ``options``: those that several commands have · ``ask``: what ``init`` asks ·
``output``: where results go · ``show``: what is printed beside them · ``errors``: messages and exit statuses ·
``dashboard``: serves Optuna's · ``serve``: the service · ``remote``: commands with ``--server`` · ``app``: the commands
as they are gathered.
"""
