"""sweep: does dropout help on your table of data, where, and how much?

The module path is the API, and the docstring of a package is its map. From the bottom up (a module imports only from
rows above its own here):

==  ====================================  ==========================================================
0   ``errors`` ``settings`` ``records``   exceptions; environment; records that cross layers
    ``garbage`` ``interrupts``            how often Python looks for garbage; Ctrl-C between two writes
    ``shipped`` ``kernels``               folders that travel with the program; notebooks
1   ``metrics`` ``wording``               metrics in numpy; numbers and names in words for people
    ``spec`` ``tables``                   the definition; reading tables
2   ``data`` ``folds`` ``networks``       table to tensors; splits; trained networks as arrays
    ``suggest`` ``space``                 a definition for a table; definition to Optuna
3   ``training`` ``store``                stacked networks and their training loop; SQL
4   ``launch``                            where blocks run: in process, or on Dask workers
5   ``run`` ``analysis``                  ask, train, save, tell, resume; from stored rows to results
    ``answer`` ``operate``                does dropout help; the queue, runners and jobs
6   ``figures`` ``texts`` ``report``      from results to what people look at
    ``export`` ``model``                  and take away
7   ``commands`` ``fitting``              what commands do, whoever calls them; what estimators need
    ``estimators`` ``api``                the same for scikit-learn; the Python API
8   ``service``                           pages and a REST API
9   ``cli``                               the command line
==  ====================================  ==========================================================
"""
