"""How models are learned. Every family has one `fit(config, setting, history, run) -> model`.

`fit` learns from the training rows and chooses (early stopping, ridge) on the validation rows. The
config of the model it returns carries what was chosen, so that fitting that config on a history
without validation rows learns from all rows and chooses nothing.
"""
