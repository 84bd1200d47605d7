"""Figures of a sweep: first an *info* record, then the drawing.

``info``: what the figures say, in numbers and text · ``draw``: those in Plotly · ``palette``: one fixed colour and
shape for each placement, light and dark.
"""
