"""For those who run it: health, doctor, audit, recovery, quarantine, the record of actions."""
