"""What `make bench` measures: each figure beside a bare loop of the same machine in the same run."""
