"""Who runs a sweep; and the queue: what is wanted of each sweep, with the tables that runners read."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the three tables."""
    op.create_table(
        "sweep_leases",
        sa.Column("sweep_key", sa.String(32), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("machine", sa.String(128), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("acquired_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("sweep_key", name="pk_sweep_leases"),
        sa.ForeignKeyConstraint(
            ["sweep_key"], ["sweep_sweeps.key"], name="fk_sweep_leases_sweep_key", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "sweep_tables",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("bytes", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_sweep_tables"),
    )
    op.create_table(
        "sweep_orders",
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("trials", sa.Integer, nullable=False),
        sa.Column("metric", sa.String(64), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("data_hash", sa.String(64), nullable=True),
        sa.Column("table_sha256", sa.String(64), nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sweep_orders"),
        sa.ForeignKeyConstraint(["table_sha256"], ["sweep_tables.sha256"], name="fk_sweep_orders_table_sha256"),
    )
    op.create_index("ix_sweep_orders_table_sha256", "sweep_orders", ["table_sha256"])
