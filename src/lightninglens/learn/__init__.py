"""Features, training, online learners, prediction and calibration of confidence.

Pure; depends on control and below.
"""
