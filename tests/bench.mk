# make bench: floor, daemon and rivals under the same load, then durable subscriptions; see tests/bench/README.md.
# BENCH_OPTIONS are those of run.py, DELIVERY_OPTIONS those of deliveries.py.
BENCH_PARTS := burst sizes large sustained open-loop recovery timers memory growth rivals
.PHONY: bench bench-all $(BENCH_PARTS:%=bench-%)

BENCH_RUN := /usr/bin/python3 tests/bench/run.py --build $(BUILD)
BENCH_DELIVERIES := /usr/bin/python3 tests/bench/deliveries.py --build $(BUILD)
BENCH_NEEDS = $(BUILD)/.setup-bench $(BUILD)/handoffd $(BENCH) $(BUILD)/bench/sync.so

bench: $(BENCH_NEEDS)
	$(BENCH_RUN) quick $(BENCH_OPTIONS)
	$(BENCH_DELIVERIES) $(DELIVERY_OPTIONS)

bench-all: $(BENCH_NEEDS)
	$(BENCH_RUN) $(BENCH_PARTS) $(BENCH_OPTIONS)

$(BENCH_PARTS:%=bench-%): bench-%: $(BENCH_NEEDS)
	$(BENCH_RUN) $* $(BENCH_OPTIONS)

.PHONY: bench-deliveries
bench-deliveries: $(BENCH_NEEDS)
	$(BENCH_DELIVERIES) $(DELIVERY_OPTIONS)

# Beside what building needs. Redis as a program, not as a service that would be started.
$(BUILD)/.setup-bench: | $(BUILD)/.setup
	@sh tests/setup.sh redis-tools libhiredis-dev gnuplot-nox
	@touch $@

$(BUILD)/bench/redis: $(BUILD)/.setup-bench
$(BUILD)/bench/redis: BENCH_EXTRA := -lhiredis
$(BUILD)/bench/fill: $(BUILD)/obj/daemon/run_rules.o
$(BUILD)/bench/fill: BENCH_EXTRA = $(BUILD)/obj/daemon/run_rules.o

$(BUILD)/bench/sync.so: tests/bench/preload/sync.c tests/bench/histogram.h | $(BUILD)/.setup
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -shared -fPIC $< -ldl -o $@
