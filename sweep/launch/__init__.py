"""Where blocks are trained: one contract, two backends.

=====================  ==============================================================================
``launch.base``        the contract in prose, and the one function that runs on a worker
``launch.inline``      in this process, one block after the other: the Python API's default
``launch.dask``        worker processes: on this machine (the command line's default) or a scheduler's
``launch.dispatch``    which worker is given which block, and what happens when it is lost
``launch.crew``        workers met, provided with the table, watched, and ended when they hang
``launch.board``       the bookkeeping behind that: queue, seats, strikes, deadlines. No Dask
``launch.worker``      what runs on Dask workers; tables kept there by their content; versions
``launch.cluster``     starting, reaching and leaving schedulers and workers
``launch.forkserver``  where worker processes of this machine come from
``launch.preload``     what that one imports first
``launch.choose``      from what the user asks for to a launcher
=====================  ==============================================================================
"""
