"""Many runs on one page: what differs between them, and what that does."""
