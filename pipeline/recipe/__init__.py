"""The recipe: which stages there are, what each item of each is made from, and what must be made now.

`stages` is the table, `wiring` says what each item is made from, `build` compares that with the store and runs
what differs. It knows no Luigi (that is `tasks/`) and imports no stage: functions are named by dotted path.
"""
