"""Tables: from what a definition names to a matrix of numbers. No torch.

=============  ==========================================================================================
``load``       the front door: ``load_encoded(spec.data, base_dir)``
``types``      the records: ``Table`` (as read), ``Encoded`` (as numbers)
``sources``    which table: paths, URLs with their cache, scikit-learn's bundled ones, OpenML
``text``       CSV and its relatives: encoding, delimiter, header row
``formats``    numbers, times and dates as people write them
``columns``    what a column holds (numbers, yes/no, dates, categories, identifiers), and a record of each
``targets``    the column to predict: task, classes, positive class
``features``   columns to numbers: plans that are fitted once and applied to any rows
``describe``   a summary of every column, for people and for proposing a definition
``encode``     all of it together: the matrix, the target, the groups, the content hash
=============  ==========================================================================================
"""
