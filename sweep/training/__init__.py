"""Training: a block of trials × splits as one stacked network. No SQL, no Optuna.

=================  ==================================================================================
``train``          the loop, from the first draw to the results of a block: start reading here
``nets``           stacked layers and their initial weights
``draws``          every random number, addressed by (seed, purpose, split, epoch)
``minibatches``    which rows, at which weight, with which dropout draws
``scaling``        features scaled inside each split
``targets``        losses, class weights, a regression target scaled inside its split
``scores``         metrics of many members at once
``scoreboard``     from outputs at the checkpoints to trial results
``block_size``     how many trials train together
``device``         cpu or cuda
``estimate``       how long a block will take
=================  ==================================================================================
"""
