# make bench: floor and daemon under the same load, see tests/bench/README.md. BENCH_OPTIONS are those of run.py.
.PHONY: bench
bench: $(BUILD)/handoffd $(BENCH)
	/usr/bin/python3 tests/bench/run.py --build $(BUILD) $(BENCH_OPTIONS)
