"""What scikit-learn estimators need beneath them: from X and y to a table, from parameters to a definition.

==============  =====================================================================================
``rows``        X, y, weights and groups as a table that trains; X alone as features
``parameters``  constructor parameters as a definition
``network``     one network, or an ensemble, with given hyperparameters
``search``      a whole sweep, its answer, and its trials in the shape of ``cv_results_``
``mlp``         the estimators of one network: a classifier and a regressor
``sweeps``      those of a whole sweep
==============  =====================================================================================
"""
