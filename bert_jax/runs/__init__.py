"""Where the rooms meet: a config, a corpus, a model and a mesh become a run in its folder."""
