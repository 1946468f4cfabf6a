# make bench: floor and daemon under the same load, then durable subscriptions; see tests/bench/README.md.
# BENCH_OPTIONS are those of run.py, DELIVERY_OPTIONS those of deliveries.py.
.PHONY: bench
bench: $(BUILD)/handoffd $(BENCH)
	/usr/bin/python3 tests/bench/run.py --build $(BUILD) $(BENCH_OPTIONS)
	/usr/bin/python3 tests/bench/deliveries.py --build $(BUILD) $(DELIVERY_OPTIONS)
