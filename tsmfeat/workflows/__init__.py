"""One module a job: the only place where stages meet."""
