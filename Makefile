# handoffd: build, test, show. `make help` lists the targets.
#
# Sources are found by folder: a new file in a folder needs no change here.
# BUILD, CC, SANITIZE and OPT can be set on the command line, e.g.
#   make BUILD=build/asan CC=clang SANITIZE=address,undefined check
# A line for each file made; V=1 shows the commands, -s shows nothing.

BUILD    ?= build
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
OPT      ?= -O2
SANITIZE ?=
PREFIX   ?= /usr/local

PACKAGES_DAEMON := libzmq libprotobuf-c libsodium yaml-0.1 libmicrohttpd
PACKAGES_CLIENT := libzmq libprotobuf-c jansson smartcols libzip
PACKAGES_NOTIFY := libzmq libprotobuf-c jansson libcurl sqlite3 libcyaml libsodium
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wcast-align -Wwrite-strings -Wvla -Wformat=2 -Wimplicit-fallthrough -Wundef
CFLAGS   := -std=c17 -g $(OPT) -D_GNU_SOURCE -fno-strict-aliasing -fno-omit-frame-pointer $(WARNINGS) \
            $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
LDFLAGS  := $(if $(SANITIZE),-fsanitize=$(SANITIZE))
GEN      := $(BUILD)/gen
INCLUDE  := -I$(GEN)
LIBS_DAEMON = $(shell pkg-config --libs $(PACKAGES_DAEMON)) -llmdb -lev -lpthread -lm
LIBS_CLIENT = $(shell pkg-config --libs $(PACKAGES_CLIENT)) -lcsv -lpthread
LIBS_NOTIFY = $(shell pkg-config --libs $(PACKAGES_NOTIFY)) -lpthread

PROTOS   := $(wildcard proto/handoff/v1/*.proto)
GEN_C    := $(PROTOS:proto/%.proto=$(GEN)/%.pb-c.c)
GEN_O    := $(GEN_C:$(GEN)/%.c=$(BUILD)/obj/gen/%.o)
GEN_PY   := $(PROTOS:proto/%.proto=$(BUILD)/python/%_pb2.py)
OWN_PY   := $(patsubst clients/python/%,$(BUILD)/python/%,$(wildcard clients/python/handoff/*.py clients/python/handoff/py.typed))

# $(call say,CC,$<) before a command that begins with $(Q).
Q   := $(if $(filter 1,$(V)),,@)
say  = $(if $(filter 1,$(V))$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '%-7s %s\n' '$(1)' '$(2)')

# What each ring may see: folders are listed from the inside out.
RINGS    := base core pathway store engine delivery replay net ops
LIB_C    := $(foreach r,$(RINGS),$(wildcard daemon/$(r)/*.c))
LIB_O    := $(LIB_C:%.c=$(BUILD)/obj/%.o)
MAIN_O   := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard daemon/*.c))
CLIB_O   := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard clients/lib/*.c))
HSDS_O   := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard clients/hsds/*.c))
CLI_O    := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard clients/handoff/*.c))

NOTIFY_O := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(wildcard workers/notify/*.c)))
NOTIFY   := $(if $(wildcard workers/notify/main.c),$(BUILD)/handoff-notify)

UNIT     := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*_test.c tests/contract/*_test.c))
CLIENT_UNIT := $(patsubst clients/%.c,$(BUILD)/tests/clients/%,$(wildcard clients/tests/*_test.c))
WORKER_UNIT := $(patsubst workers/%.c,$(BUILD)/tests/workers/%,$(wildcard workers/tests/*_test.c))
EXAMPLES := $(patsubst clients/%.c,$(BUILD)/%,$(wildcard clients/examples/*.c))
BENCH    := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

.PHONY: all
all: $(BUILD)/handoffd $(BUILD)/handoff $(NOTIFY) python $(EXAMPLES)

include $(wildcard tests/*.mk)

# --- generated code -----------------------------------------------------------
$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h &: proto/%.proto | $(BUILD)/.setup
	@mkdir -p $(GEN)
	$(call say,PROTOC,$<)
	$(Q)protoc-c --proto_path=proto --c_out=$(GEN) $<

# The package `handoff`: its own modules, and the schema's below `handoff.v1`, with their types.
$(BUILD)/python/%_pb2.py $(BUILD)/python/%_pb2.pyi &: proto/%.proto | $(BUILD)/.setup
	@mkdir -p $(BUILD)/python
	$(call say,PROTOC,$@)
	$(Q)protoc --proto_path=proto --python_out=$(BUILD)/python --pyi_out=$(BUILD)/python $<

$(BUILD)/python/%: clients/python/%
	@mkdir -p $(@D)
	$(call say,COPY,$@)
	$(Q)cp $< $@

.PHONY: python
python: $(GEN_PY) $(GEN_PY:=i) $(OWN_PY)

.SECONDARY:
GEN_H := $(GEN_C:.c=.h)
$(BUILD)/obj/gen/%.o: $(GEN)/%.c $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(INCLUDE) -Wno-error -w -c $< -o $@

# --- objects and programs -----------------------------------------------------
$(BUILD)/obj/%.o: %.c $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(INCLUDE) -MMD -MP $(if $(filter clients/% workers/%,$<),-Iclients/lib -Iclients -Iworkers,-Idaemon) -c $< -o $@

$(BUILD)/libhandoffd.a: $(LIB_O) $(GEN_O)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

$(BUILD)/libhandoff.a: $(CLIB_O) $(GEN_O)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

$(BUILD)/handoffd: $(MAIN_O) $(BUILD)/libhandoffd.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS_DAEMON) -o $@

$(BUILD)/libhsds.a: $(HSDS_O)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

# The table that is built into the importer, as a C string.
$(GEN)/directory-map.inc: clients/hsds/directory-map.csv
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)sed 's/\\/&&/g; s/"/\\"/g; s/.*/"&\\n"/' $< > $@
$(BUILD)/obj/clients/hsds/map.o: $(GEN)/directory-map.inc

$(BUILD)/handoff: $(CLI_O) $(BUILD)/libhsds.a $(BUILD)/libhandoff.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS_CLIENT) -o $@

$(BUILD)/libnotify.a: $(NOTIFY_O)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

$(BUILD)/handoff-notify: $(BUILD)/obj/workers/notify/main.o $(BUILD)/libnotify.a $(BUILD)/libhandoff.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS_NOTIFY) -o $@

# As in a program of one's own: nothing but the public header. Generated structs take literals as char *.
$(BUILD)/examples/%: clients/examples/%.c $(BUILD)/libhandoff.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(INCLUDE) -Wno-write-strings -Iclients/lib -MMD -MP -MF $@.d $< $(BUILD)/libhandoff.a $(LDFLAGS) $(LIBS_CLIENT) -o $@

# --- tests --------------------------------------------------------------------
$(BUILD)/tests/%: tests/%.c $(BUILD)/libhandoffd.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(INCLUDE) -MMD -MP -MF $@.d -Idaemon -Itests $< $(BUILD)/libhandoffd.a $(LDFLAGS) $(LIBS_DAEMON) -lcmocka -o $@

$(BUILD)/tests/clients/%: clients/%.c $(BUILD)/libhsds.a $(BUILD)/libhandoff.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(INCLUDE) -MMD -MP -MF $@.d -Iclients/lib -Iclients $< $(BUILD)/libhsds.a $(BUILD)/libhandoff.a $(LDFLAGS) $(LIBS_CLIENT) -lcmocka -o $@

$(BUILD)/tests/workers/%: workers/%.c $(BUILD)/libnotify.a $(BUILD)/libhandoff.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(INCLUDE) -MMD -MP -MF $@.d -Iclients/lib -Iclients -Iworkers $< $(BUILD)/libnotify.a $(BUILD)/libhandoff.a $(LDFLAGS) $(LIBS_NOTIFY) -lcmocka -o $@

$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/libhandoffd.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(INCLUDE) -MMD -MP -MF $@.d -Idaemon $< $(BENCH_EXTRA) $(BUILD)/libhandoffd.a $(LDFLAGS) $(LIBS_DAEMON) -o $@

-include $(BUILD)/tests/workers/tests/send.d $(LIB_O:.o=.d) $(MAIN_O:.o=.d) $(CLIB_O:.o=.d) $(HSDS_O:.o=.d) $(CLI_O:.o=.d) $(UNIT:%=%.d) $(NOTIFY_O:.o=.d) $(CLIENT_UNIT:%=%.d) $(WORKER_UNIT:%=%.d) $(EXAMPLES:%=%.d) $(BENCH:%=%.d)

PYTHON := /usr/bin/python3
DAEMON_ARGS := --config tests/site.yaml --pathways daemon/pathways

.PHONY: unit scenarios purity pathways protocol check sanitize e2e test
unit: $(UNIT) $(CLIENT_UNIT) $(WORKER_UNIT)
	CMOCKA_MESSAGE_OUTPUT=TAP prove -j 4 -e '' $(UNIT) $(CLIENT_UNIT) $(WORKER_UNIT)

# Each expectation of each case, through core alone: a TAP line each. Then every event twice, and all patients at once.
SCENARIOS     := $(wildcard tests/scenarios/*.yaml)
TEST_SCENARIO := $(BUILD)/handoffd pathway test $(DAEMON_ARGS)
scenarios: $(BUILD)/handoffd
	prove -v -e '$(TEST_SCENARIO)' $(SCENARIOS)
	prove -e '$(TEST_SCENARIO) --twice' $(firstword $(SCENARIOS)) :: $(wordlist 2,$(words $(SCENARIOS)),$(SCENARIOS))
	prove -e '$(TEST_SCENARIO) --twice --interleaved' $(firstword $(SCENARIOS)) :: $(wordlist 2,$(words $(SCENARIOS)),$(SCENARIOS))

purity: $(BUILD)/libhandoffd.a
	prove -e 'sh' tests/rings.sh
	prove -e 'sh' tests/purity.sh :: $(filter $(BUILD)/obj/daemon/core/%.o,$(LIB_O))

pathways: $(BUILD)/handoffd
	$(BUILD)/handoffd pathway check --config daemon/ops/handoffd.yaml --policy daemon/pathways/policy.yaml \
	    $(filter-out %/policy.yaml,$(wildcard daemon/pathways/*.yaml)) > $(BUILD)/pathways.txt

# PROTOCOL.md against the schema and the daemon: another event, request or code needs its row there.
PYTEST := BUILD=$(BUILD) $(PYTHON) -m pytest -q -p no:cacheprovider
protocol: all
	$(PYTEST) tests/e2e/test_protocol.py

# In half a minute: what to run after every change.
check: all unit scenarios mutate-pathways purity pathways protocol

# The same code under Clang, with the address and undefined-behaviour sanitizers.
sanitize:
	$(MAKE) BUILD=$(BUILD)/sanitize CC=clang SANITIZE=address,undefined OPT=-O1 unit scenarios

# The real daemon over ZeroMQ, with an independent client. The tests wait for disks and processes half of the time.
E2E_WORKERS ?= $(shell expr 2 '*' $$(nproc))
e2e: all $(BUILD)/tests/workers/tests/send $(addprefix $(BUILD)/bench/,fill floor load scan sync.so)
	$(PYTEST) -n $(E2E_WORKERS) tests/e2e clients/python/tests

test: check sanitize e2e

# --- showing ------------------------------------------------------------------
.PHONY: demo install help
demo: all
	@$(PYTHON) clients/demo/demo.py $(if $(KEEP),--keep $(KEEP))

# Paths in the configuration and the unit are the prefix's.
AT    = $(DESTDIR)$(PREFIX)
SHARE = $(AT)/share/handoff
UNITS = $(AT)/lib/systemd/system
VERSION = $(shell sed -n 's/^.define HANDOFF_VERSION "\(.*\)"/\1/p' daemon/commands.h)
install: all $(BUILD)/libhandoff.a
	install -d $(AT)/bin $(AT)/lib $(AT)/include/handoff/v1 $(UNITS)
	install -d $(SHARE)/pathways $(SHARE)/templates $(SHARE)/proto/handoff/v1 $(SHARE)/python/handoff/v1
	install -m 755 $(BUILD)/handoffd $(BUILD)/handoff $(BUILD)/handoff-notify $(AT)/bin
	install -m 644 daemon/pathways/*.yaml $(SHARE)/pathways
	sed 's|/usr/local|$(PREFIX)|g' daemon/ops/handoffd.yaml > $(SHARE)/handoffd.yaml
	sed 's|/usr/local|$(PREFIX)|g' daemon/ops/handoffd.service > $(UNITS)/handoffd.service
	sed 's|/usr/local|$(PREFIX)|g' workers/notify/handoff-notify.yaml > $(SHARE)/handoff-notify.yaml
	sed 's|/usr/local|$(PREFIX)|g' workers/notify/handoff-notify.service > $(UNITS)/handoff-notify.service
	chmod 644 $(SHARE)/*.yaml $(UNITS)/handoffd.service $(UNITS)/handoff-notify.service
	install -m 644 workers/notify/templates/*.txt $(SHARE)/templates
	install -m 644 $(BUILD)/libhandoff.a $(AT)/lib
	install -d $(AT)/lib/pkgconfig
	sed 's|/usr/local|$(PREFIX)|; s|@VERSION@|$(VERSION)|' clients/lib/handoff.pc.in > $(AT)/lib/pkgconfig/handoff.pc
	chmod 644 $(AT)/lib/pkgconfig/handoff.pc
	install -m 644 clients/lib/handoff.h $(AT)/include
	install -m 644 $(GEN)/handoff/v1/*.h $(AT)/include/handoff/v1
	install -m 644 proto/PROTOCOL.md $(SHARE)/proto
	install -m 644 proto/handoff/v1/*.proto $(SHARE)/proto/handoff/v1
	install -m 644 $(OWN_PY) $(SHARE)/python/handoff
	install -m 644 $(GEN_PY) $(GEN_PY:=i) $(SHARE)/python/handoff/v1

help:
	@echo "make            build/handoffd and build/handoff"
	@echo "make demo       three cases on the real daemon, months in seconds; KEEP=FOLDER keeps their data"
	@echo "make check      unit, contract and scenario tests: one to two minutes"
	@echo "make test       all of it, with sanitizers and end to end: minutes"
	@echo "make mutate-pathways   takes each line out of the pathways: do the scenarios notice?"
	@echo "make bench      throughput and latency beside the floor and beside Redis: minutes; more in tests/bench/README.md"
	@echo "make install    to PREFIX (/usr/local)"

# --- set-up -------------------------------------------------------------------
# Installs the Debian packages that are missing, and says so first.
$(BUILD)/.setup:
	@mkdir -p $(@D)
	@sh tests/setup.sh
	@touch $@

.PHONY: clean
clean:
	rm -rf $(BUILD)
