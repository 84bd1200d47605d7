"""Where blocks are trained: one contract, two backends.

=====================  ==============================================================================
``launch.base``        the contract in prose, and the one function that runs on a worker
``launch.inline``      in this process, one block after the other: the Python API's default
``launch.dask``        worker processes: on this machine (the command line's default) or a scheduler's
``launch.cluster``     starting, reaching and leaving them
``launch.forkserver``  where worker processes of this machine come from
``launch.choose``      from what the user asks for to a launcher
=====================  ==============================================================================
"""
