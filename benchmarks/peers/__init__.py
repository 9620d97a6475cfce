"""What the benchmarks compare with: PEERS.md says who is who."""
