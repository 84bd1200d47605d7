"""What the service needs: tables handed in, jobs for runners, the log of each sweep, and who works here."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the four tables."""
    op.create_table(
        "sweep_uploads",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("table_sha256", sa.String(64), nullable=False),
        sa.Column("detected", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_uploads"),
        sa.ForeignKeyConstraint(["table_sha256"], ["sweep_tables.sha256"], name="fk_sweep_uploads_table_sha256"),
    )
    op.create_index("ix_sweep_uploads_table_sha256", "sweep_uploads", ["table_sha256"])
    op.create_table(
        "sweep_jobs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("sweep", sa.String(512), nullable=True),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("token", sa.String(32), nullable=True),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("progress", sa.Text, nullable=True),
        sa.Column("result", sa.JSON, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("file_name", sa.String(255), nullable=True),
        sa.Column("media_type", sa.String(255), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("bytes", sa.LargeBinary, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_jobs"),
        sa.UniqueConstraint("key", name="uq_sweep_jobs_key"),
    )
    op.create_index("ix_sweep_jobs_state", "sweep_jobs", ["state"])
    op.create_index("ix_sweep_jobs_sweep", "sweep_jobs", ["sweep"])
    op.create_table(
        "sweep_log",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("sweep", sa.String(512), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("trial", sa.Integer, nullable=True),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweep_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sweep_log_sweep", "sweep_log", ["sweep"])
    op.create_table(
        "sweep_runners",
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("machine", sa.String(128), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("workers", sa.Text, nullable=False),
        sa.Column("doing", sa.Text, nullable=True),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_sweep_runners"),
    )
