"""What a trained model says of lines of text, in their order."""
