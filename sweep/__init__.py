"""sweep: does dropout help on your table of data, where, and how much?

The module path is the API, and the docstring of a package is its map. From the bottom up (a module imports only from
rows above its own here):

==  ====================================  ==========================================================
0   ``errors`` ``settings`` ``records``   exceptions; environment; records that cross layers
1   ``metrics`` ``wording``               metrics in numpy; numbers and names in words for people
    ``spec`` ``tables``                   the definition; reading tables
2   ``data`` ``folds``                    table to tensors; splits
    ``suggest`` ``space``                 a definition for a table; definition to Optuna
3   ``training`` ``store``                stacked networks and their training loop; SQL
4   ``launch``                            where blocks run: in process, or on Dask workers
5   ``run`` ``analysis``                  ask, train, save, tell, resume; from stored rows to results
6   ``figures`` ``report`` ``export``     from results to what people look at and take away
8   ``cli``                               the command line
==  ====================================  ==========================================================
"""
