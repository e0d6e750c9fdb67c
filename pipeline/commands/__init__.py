"""What each command of `ave` does; `pipeline.cli` parses, these act.

Heavy libraries are imported inside the commands that need them, so that `plan`, `status` and `why` start quickly.
"""
