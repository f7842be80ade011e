"""Which server has which partition: one server, the primaries of a cluster, or Sentinel groups."""
