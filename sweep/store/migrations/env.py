"""Alembic runs this for every migration, on the connection that ``versions.upgrade`` hands over."""

from alembic import context

from sweep.store.models import Base
from sweep.store.versions import VERSION_TABLE, include_object

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    include_object=include_object,
    render_as_batch=True,  # SQLite cannot alter most things: the table is copied
    transactional_ddl=True,  # Alembic takes SQLite for a database that cannot
)
with context.begin_transaction():
    context.run_migrations()
