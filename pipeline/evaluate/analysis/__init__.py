"""What is made of score tables, step by step: pairs of runs, intervals, tests, rows of tables, and their printing.

`evaluate.tables`, `evaluate.significance` and `evaluate.curves` are the doors.
"""
