"""Load at a rate that the clock sets, not the server: see loadtests.openloop for the command."""
