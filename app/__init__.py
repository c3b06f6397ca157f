"""The web around the machine: pages for learners, REST for graders, a command line. It uses the engine's public modules only."""
