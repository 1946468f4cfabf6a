# make fuzz: every decoder against arbitrary bytes, FUZZ_SECONDS each, from the corpus beside the target.
# What a run finds is written to build/fuzz/; copy what is worth keeping into tests/fuzz/NAME/.
FUZZ_SECONDS ?= 20
FUZZERS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))

.PHONY: fuzz
fuzz:
	$(MAKE) BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined OPT=-O1 $(FUZZERS:%=$(BUILD)/fuzz/bin/%)
	@for name in $(FUZZERS); do mkdir -p $(BUILD)/fuzz/corpus/$$name tests/fuzz/$$name; \
	    echo "fuzz: $$name, $(FUZZ_SECONDS) s"; \
	    $(BUILD)/fuzz/bin/$$name -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 -print_final_stats=0 -verbosity=0 \
	        -artifact_prefix=$(BUILD)/fuzz/$$name- $(BUILD)/fuzz/corpus/$$name tests/fuzz/$$name || exit 1; done

$(BUILD)/bin/%: tests/fuzz/%_fuzz.c $(BUILD)/libhandoffd.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined $(INCLUDE) -Idaemon $< $(BUILD)/libhandoffd.a $(LIBS_DAEMON) -o $@

# Of the client library.
$(BUILD)/bin/json: tests/fuzz/json_fuzz.c $(BUILD)/libhandoff.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined $(INCLUDE) -Iclients/lib $< $(BUILD)/libhandoff.a $(LIBS_CLIENT) -o $@

# Of the importer.
$(BUILD)/bin/hsds: tests/fuzz/hsds_fuzz.c $(BUILD)/libhsds.a $(BUILD)/libhandoff.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined $(INCLUDE) -Iclients/lib -Iclients $< $(BUILD)/libhsds.a $(BUILD)/libhandoff.a $(LIBS_CLIENT) -o $@
