"""The registers, an area a module. A new register is a new class here and nothing else."""
