"""Figures of a sweep and its answer: first an *info* record, then the drawing.

``info``: what the figures say, in numbers and text · ``draw``: those in Plotly · ``forest_info``, ``draw_answer``: the
same for the answer's forest plot · ``effects_info``, ``trials_info``, ``draw_effects``: for what the trials say of
rates, of training, and of how firm the choice is · ``progress_info``, ``draw_progress``: for a sweep that may still be
running · ``captions``: these in sentences · ``forest_svg``: the forest plot
for notebooks, without Plotly · ``palette``: one fixed colour and shape for each placement, light and dark.
"""
