"""Figures of a sweep and its answer: first an *info* record, then the drawing.

``info``: what the figures say, in numbers and text · ``draw``: those in Plotly · ``forest_info``, ``draw_answer``: the
same for the answer's forest plot · ``palette``: one fixed colour and shape for each placement, light and dark.
"""
