"""What operators hold: the console under /console, built from `faces/console`."""
