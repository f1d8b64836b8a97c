"""Forms that other servers' clients speak, each translated to the one core."""
