"""Tools for operators: health, doctor, audit, recovery, quarantine, record of actions."""
