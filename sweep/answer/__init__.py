"""The answer: does dropout help here, where, how much, and how sure is that?

``question``: everything that it takes before anything trains · ``choose``: whom it compares · ``confirm``: those
trained again, on fresh folds · ``compute``: from what was saved to verdicts · ``stored``: answers in the database.

``records``: what an answer says, in numbers · ``goodness``: from predictions to row scores, one path for every metric ·
``compare``: two configurations on the same fresh folds · ``reference``: the tests of the literature, for comparison ·
``advice``: would more repeats tell, or more rows · ``decide``: from comparisons to a verdict for each placement ·
``sentences``: an answer in words · ``rules``: rules of thumb of the literature, as comparisons, ``around`` the best
networks · ``check_rules``: what they come to on this table · ``rule_sentences``: that in words.

The other question, does *tuning dropout* pay: ``nested``: two searches on each outer fold · ``nested_result``: what
they come to · ``nested_stored``: what is kept · ``nested_records`` and ``nested_words``: that in numbers and in words.
"""
