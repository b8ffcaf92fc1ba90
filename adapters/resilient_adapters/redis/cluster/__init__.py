"""A Redis Cluster: which node has what, and what can be done where no node has everything."""
