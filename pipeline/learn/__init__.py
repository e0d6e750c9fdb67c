"""Training and prediction: the last stages but one.

Training runs in a child process (`launch.py`), so a build neither imports torch nor forks after it has.
"""
