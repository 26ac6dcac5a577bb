"""What a model has learnt of a language, looked at while it pretrains."""
