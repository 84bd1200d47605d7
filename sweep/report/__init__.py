"""The report: one self-contained HTML page.

``html``: the page, from template, style and figures · ``page``: what its sections say · ``answer_section``: the tested
answer · ``where_section``: where and how much · ``nested_section``: whether tuning dropout pays · ``rules_section``:
rules of thumb · ``headline``: the best and its honest score · ``details``: what was searched · ``table``: the table of
trials · ``facts``: what they are made of · ``templates``: of all pages, the service's too.
"""
