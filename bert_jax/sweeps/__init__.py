"""Many runs that differ in a few fields: which, started how, and what came of them."""
