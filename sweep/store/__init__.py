"""SQL: what a sweep keeps, in the same database as Optuna's study, in tables of our own named ``sweep_...``.

=====================  =============================================================================
``store``              class Store: everything the other layers read and write
``opened``             what all parts of it share: connections, transactions, the version settled
``artifacts``          its part for files
``confirmations``      its part for what the answer rests on, and for answers
``leases``             its part for who runs a sweep
``orders``             its part for what is wanted of sweeps, and for the tables of queued ones
``uploads`` ``jobs``   its parts for what a service is handed and asked
``logbook`` ``presence``  its parts for what happened to sweeps, and for who is at work
``overviews``          its part that reads a little of many sweeps
``studies``            its part that counts Optuna's trials
``statements``         what it does with trials and their arrays inside its transactions
``rows``               frozen records that go in and come out, ``service_rows`` those of the service; no SQL in them
``convert``            between those and the rows of the tables
``models``             the tables
``database``           database URLs and engines
``memory``             databases that are no file
``failures``           what can go wrong in between, as one clear error, and what of it may pass by itself
``patience``           waiting for that
``filesystems``        where a SQLite file may lie
``versions``           which schema a database has, and bringing it up to ours
``upgrading``          a database of any version, for `sweep storage upgrade`
``copies``             what that does to SQLite files
``codec``              arrays to bytes and back: raw little-endian numbers, never pickles
``migrations``         one Alembic revision for each change of the tables
=====================  =============================================================================

To change a table: edit ``models``, write the next ``migrations/versions/v0007_....py``, append its revision to
``versions.REVISIONS``. ``tests/test_migrations.py`` fails until the three agree on both databases.

Optuna owns its own tables. Nothing here writes or refers to them, and nothing reads them but ``studies``, which counts:
what ties a sweep to its study is the sweep's random key, which the study carries as a user attribute.
"""
