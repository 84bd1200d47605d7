"""Pruning at rungs: how far each trial was trained, and what was decided at each rung.

Trials of before were all trained to the last checkpoint of their sweep. Their sweeps had no lag between asking a batch
and seeing the one before it; with ``lag = 0`` in the stored definition, what a resume compares is what was meant.
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the epochs trained, and the table of decisions."""
    op.add_column("sweep_trials", sa.Column("trained", sa.Integer, nullable=True))
    _fill()
    with op.batch_alter_table("sweep_trials") as table:
        table.alter_column("trained", existing_type=sa.Integer, nullable=False)
    op.create_table(
        "sweep_rungs",
        sa.Column("sweep_key", sa.String(32), nullable=False),
        sa.Column("trial", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("epoch", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("kept", sa.Boolean, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sweep_key", "trial", "epoch", name="pk_sweep_rungs"),
        sa.ForeignKeyConstraint(
            ["sweep_key"], ["sweep_sweeps.key"], name="fk_sweep_rungs_sweep_key", ondelete="CASCADE"
        ),
    )


def _fill() -> None:
    """What the new column and the new key hold for what is stored already."""
    connection = op.get_bind()
    sweeps = sa.table("sweep_sweeps", sa.column("key"), sa.column("definition"), sa.column("checkpoints", sa.JSON))
    trials = sa.table("sweep_trials", sa.column("sweep_key"), sa.column("trained"))
    for sweep in connection.execute(sa.select(sweeps)).all():
        own = trials.c.sweep_key == sweep.key
        connection.execute(trials.update().where(own).values(trained=sweep.checkpoints[-1]))
        if not re.search(r"^lag = ", sweep.definition, re.MULTILINE):
            without = re.sub(r"^\[search\]$", "[search]\nlag = 0", sweep.definition, count=1, flags=re.MULTILINE)
            connection.execute(sweeps.update().where(sweeps.c.key == sweep.key).values(definition=without))
