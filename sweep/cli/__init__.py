"""The command line.

``main``: the commands and their options, wiring only · ``run``, ``check``, ``show``, ``dashboard``: what they do and
print · ``ask``: what ``init`` asks · ``output``: where it goes · ``progress``: how far a running sweep is ·
``errors``: messages and exit statuses · ``options``: those that several commands have.
"""
