"""The recipe: which stages there are, what each item of each is made from, and what must be made now.

`stages` is the table; `wiring` and `pooled` say what each item is made from; `view` compares that with the store and
`build` runs what differs. It knows no Luigi (that is `tasks/`) and imports no stage: functions go by dotted path.
"""
