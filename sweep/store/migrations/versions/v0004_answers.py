"""What an answer rests on: chosen configurations on fresh folds; and the answers that were given."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "sweep_confirmed",
        sa.Column("sweep_key", sa.String(32), nullable=False),
        sa.Column("configuration", sa.String(64), nullable=False),
        sa.Column("repeat", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("hyperparameters", sa.JSON, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("outputs", sa.Integer, nullable=False),
        sa.Column("predictions", sa.LargeBinary, nullable=False),
        sa.Column("folds", sa.Integer, nullable=False),
        sa.Column("metrics", sa.LargeBinary, nullable=False),
        sa.Column("lost", sa.JSON, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sweep_key", "configuration", "repeat", name="pk_sweep_confirmed"),
        sa.ForeignKeyConstraint(
            ["sweep_key"], ["sweep_sweeps.key"], name="fk_sweep_confirmed_sweep_key", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "sweep_answers",
        sa.Column("sweep_key", sa.String(32), nullable=False),
        sa.Column("choice", sa.String(64), nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sweep_key", "choice", "repeats", name="pk_sweep_answers"),
        sa.ForeignKeyConstraint(
            ["sweep_key"], ["sweep_sweeps.key"], name="fk_sweep_answers_sweep_key", ondelete="CASCADE"
        ),
    )
