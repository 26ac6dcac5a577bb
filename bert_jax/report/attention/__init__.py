"""The page that shows where the heads of a model look."""
