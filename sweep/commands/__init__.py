"""What commands do, whoever calls them: the command line, or a notebook.

==============  ======================================================================
``run``         from a definition to a finished sweep
``answer``      the chosen networks again on fresh folds
``nested``      two searches on each outer fold
``check``       what a definition would run
``work``        workers for a while, and what is said of an interrupt
``progress``    how far it is: a live display, plain lines, or nothing
==============  ======================================================================
"""
