"""Features, training, online learners, prediction and calibration of confidence.

Pure; depends on control and below. Entry points: `flows.flows_of`,
`features.FeatureTracker`, `dataset.build_dataset`, `training.train`,
`learner.Learner`. What is learned is in ADR 0030 and 0031.
"""
