"""What stands between the network and the application: TLS, connections, hosts, sizes and times."""
