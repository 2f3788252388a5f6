"""What sees all three services: the command line, the all-in-one process, the embedded servers, the demo and the benchmark."""
