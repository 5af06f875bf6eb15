"""One job, its attempts and everybody who touches it, as steps that a test takes in any order."""
