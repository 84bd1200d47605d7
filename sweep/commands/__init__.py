"""What commands do, whoever calls them: the command line, or a notebook.

==============  ======================================================================
``run``         from a definition to a finished sweep
``answer``      the chosen networks again on fresh folds
``nested``      two searches on each outer fold
``check``       what a definition would run
``work``        workers for a while, and what is said of an interrupt
``queue``       definitions and tables for runners, and what those do
``fit``         a network trained on all rows
``predict``     what such a model says of a table
``report``      the page that shows the results
``export``      the best configuration, for other programs
``study_page``  what the Optuna dashboard shows of it besides trials
``upgrade``     a database brought up to date
``clerk``       the same for those who ask a service: estimates, files, models
``remote``      what they do with ``--server``; ``client`` speaks with the service
``definition``  the one that a command is given
``given``       files, models and definitions told from what is none, for callers in Python
``options``     those that do not go together
``writing``     the files that commands write
``database``    which one a command is about
``progress``    how far it is: a live display, plain lines, or nothing
``notebook``    the same below the cell of a notebook
``display``     which of them suits
==============  ======================================================================
"""
