"""Tables: from what a definition names to a matrix of numbers. No torch.

=============  ==========================================================================================
``load``       the front door: ``load_encoded(spec.data, base_dir)``, and ``read_for(recipe, source, base_dir)``
``types``      the record of a table as read
``sources``    which table: paths, URLs with their cache, scikit-learn's bundled ones, OpenML
``dialect``    how a text file is written: encoding, delimiter, decimals, header row
``text``       CSV and its relatives, read
``formats``    numbers, times and dates as people write them
``columns``    what a column holds (numbers, yes/no, dates, categories, identifiers), and a record of each
``targets``    the column to predict: task, classes, positive class
``features``   columns to numbers: plans that are fitted once and applied to any rows
``given``      a column of another table, read as its namesake was
``recipe``     all plans of a table: what it takes to do the same with other rows, as JSON too
``written``    how a file of the table is to be read by programs without this package
``packed``     a table as Parquet, to be read elsewhere as it was read here
``describe``   a summary of every column, for people and for proposing a definition
``encode``     all of it together, a table as numbers: the matrix, the target, the groups, the content hash
=============  ==========================================================================================
"""
