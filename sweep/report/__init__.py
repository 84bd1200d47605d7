"""The report: one self-contained HTML page.

``html``: the page, from template, style and figures · ``page``: what its sections say · ``table``: the table of trials.
"""
