"""What figures of each kind need of networks, one file a kind."""
