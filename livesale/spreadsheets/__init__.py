"""Tables that people send and get: xlsx and csv in, csv out."""
