"""A chosen network trained on all rows, as a folder that predicts wherever it is taken.

===============  =====================================================================================
``refit``        from a stored sweep to a model: which trial, trained on all rows of the same table
``model``        the model, what it predicts for a table, how well it does on one that has the target
``plain``        a model as plain data and tensors, and back
``folder``       both as a folder of files, written and read, with their hashes
``config``       the definition of its trial, for the folder
``card``         what the folder says of itself, for people
``predictions``  predictions as CSV or Parquet
``out_of_fold``  predictions of a trial's networks for the rows that they were not trained on
===============  =====================================================================================

Training needs PyTorch and Optuna. Reading a folder and predicting need neither.
"""
