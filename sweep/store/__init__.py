"""SQL: what a sweep keeps, in the same database as Optuna's study, in tables of our own named ``sweep_...``.

=====================  =============================================================================
``store``              class Store: everything the other layers read and write
``opened``             what all parts of it share: connections, transactions, the version settled
``artifacts``          its part for files
``confirmations``      its part for what the answer rests on, and for answers
``statements``         what it does with trials and their arrays inside its transactions
``rows``               frozen records that go in and come out; no SQL in them
``models``             the tables
``database``           database URLs, engines, one clear error for everything that goes wrong in between
``versions``           which schema a database has, and bringing it up to ours
``codec``              arrays to bytes and back: raw little-endian numbers, never pickles
``migrations``         one Alembic revision for each change of the tables
=====================  =============================================================================

To change a table: edit ``models``, write the next ``migrations/versions/v0005_....py``, append its revision to
``versions.REVISIONS``. ``tests/test_migrations.py`` fails until the three agree on both databases.

Optuna owns its own tables. Nothing here reads, writes or refers to them: what ties a sweep to its study is the
sweep's random key, which the study carries as a user attribute.
"""
