"""The service: pages and a REST API over a database of sweeps. It never imports PyTorch and never trains.

========================  =======================================================================================
``app``                   everything below put together: :func:`~sweep.service.app.create_app`
``options``               what the service is started with
``state``                 what requests share: the database, what is remembered of it, helping processes
``problems``              one shape for whatever goes wrong
``access`` ``guard``      who may do what; hosts, cross-site requests
``headers`` ``bodies``    what responses say to browsers; how large and how slow requests may be
``v1/``                   the REST API: sweeps, jobs, uploads, definitions
``checking`` ``sources``  definitions that somebody sends: what is wrong, which tables they may name
``intake`` ``reader``     tables handed in: streamed to disk, read in a process with limits (``reading``)
``snapshots`` ``live``    how far sweeps are, read once for all who ask; server-sent events
``renderer``              makes reports, figures and summaries, in a process of its own (``rendering``)
``repeated``              requests that are sent again
``pages`` ``assets``      what a browser shows; templates and assets are in ``dashboards/``
``dashboard``             Optuna's dashboard behind the same login
``dashboard_app``         the same for any WSGI server, and quick; ``dashboard_answers`` is what it sends
``metrics`` ``logs``      for whoever operates it
``health``                whether it is alive, and can do its work
``server`` ``beside``     the process: addresses, TLS; a runner beside it
``connections``           how many there may be, and for how long
``heaps``                 of the memory of its threads
========================  =======================================================================================
"""
