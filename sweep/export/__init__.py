"""Taking the best configuration of a sweep elsewhere.

``definition``: as a definition of one trial (TOML), or as one JSON document · ``onnx_model``: as an ONNX file, of
``onnx_inputs`` and ``onnx_graph`` · ``sklearn_script``: as a Python file for scikit-learn, with ``sklearn_table`` ·
``trained``: the configuration trained on all rows · ``files``: writing what is exported · ``versions``: of what is
installed.
"""
