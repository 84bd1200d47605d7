"""Taking the best configuration of a sweep elsewhere.

==================  ================================================================================================
``definition``      a definition of one trial (TOML), or one JSON document
``script``          a program in PyTorch or Keras, by ``templates/``, with ``columns`` (how it reads the table),
                    ``network`` (how it trains) and ``literals`` (values as source)
``onnx_model``      an ONNX file, of ``onnx_inputs`` and ``onnx_graph``
``sklearn_script``  a Python file for scikit-learn, with ``sklearn_table``
``again``           the table of a sweep, read again, and how its file is written
``trained``         the configuration trained on all rows
``about``           what every export says of scores
``files``           writing what is exported
``versions``        of what is installed
==================  ================================================================================================
"""
