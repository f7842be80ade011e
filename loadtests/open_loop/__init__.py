"""Load at a rate set by the clock, not by the server: loadtests.openloop is the command."""
