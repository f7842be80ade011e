"""Folders and files on this machine: private ones, the data folder, the sockets in it."""
