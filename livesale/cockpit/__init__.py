"""The operators' cockpit: what the service does now, once a second, over one socket."""
