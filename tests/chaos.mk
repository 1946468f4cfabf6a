# make chaos: the real daemon and real workers, killed at random instants; ROUNDS of them, SEED for one run again.
ROUNDS ?= 1000

.PHONY: chaos
chaos: all
	BUILD=$(BUILD) $(PYTHON) tests/chaos/chaos.py --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))
