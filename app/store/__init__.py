"""What is kept: the journal of commands. Live machines are only a cache of it."""
