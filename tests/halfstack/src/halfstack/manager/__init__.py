"""The cluster manager: who may run what, where it runs, and what it may use."""
