"""sweep: does dropout help on your table of data, where, and how much?

The module path is the API. From the bottom up (a module imports only from rows above its own here):

==  ==========================================  ====================================================
0   ``errors`` ``settings`` ``records``         exceptions; environment; records that cross layers
1   ``metrics`` ``spec`` ``tables``             metrics in numpy; the definition; reading tables
2   ``data`` ``folds`` ``space``                table to tensors; splits; definition to Optuna
3   ``nets`` ``scores`` ``train`` ``store``     stacked layers; the training loop; SQL
4   ``launch``                                  where blocks run: in process, or on Dask workers
5   ``run`` ``analysis``                        the run loop; from stored rows to results
6   ``figures`` ``report`` ``export``           from results to what people look at and take away
8   ``cli``                                     the command line
==  ==========================================  ====================================================
"""
