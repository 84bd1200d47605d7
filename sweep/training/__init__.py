"""Training: a block of trials × splits as one stacked network. No SQL, no Optuna.

=================  ==================================================================================
``train``          the loop, from the first draw to the results of a block: start reading here
``whole``          one configuration on all rows, for use
``passes``         what a step does between its matrix products, in PyTorch
``compiled``       the same, compiled for the CPU
``buffers``        what a step reads and writes
``nets``           stacked layers and their initial weights
``draws``          every random number, addressed by (seed, purpose, split, epoch)
``minibatches``    which rows, at which weight, with which dropout draws
``scaling``        features scaled inside each split
``targets``        what outputs should be, class weights, a regression target scaled inside its split
``scores``         metrics of many members at once
``scoreboard``     from outputs at the checkpoints to trial results
``state``          where a block stands: at the beginning, or at a rung
``block_size``     how many trials train together, how many splits at a time
``device``         cpu or cuda
``estimate``       how long a block will take
=================  ==================================================================================
"""
