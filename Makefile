# synthd: `make` builds, `make demo` shows, `make check` proves. `make help` lists the rest.
#
# Every .c under kernels/ and server/ is compiled; a new file needs no line here. Every
# tests/unit/test_*.c is one test binary, every tests/fuzz/fuzz_*.c one fuzz target.
# BUILD=dir builds somewhere else; SAN=address,undefined or SAN=thread builds with a sanitizer.

BUILD ?= build
CC ?= cc
SAN ?=
PREFIX ?= /usr/local
VERSION := $(shell cat VERSION 2>/dev/null || echo 0.0.0)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

# --- what this machine has -------------------------------------------------------------------
have_pkg = $(shell pkg-config --exists $(1) 2>/dev/null && echo yes)
have_header = $(shell printf '\#include <$(1)>\n' | $(CC) -E -x c - >/dev/null 2>&1 && echo yes)
SERVER_PKGS := libmicrohttpd jansson libjpeg spng libwebp lcms2 sqlite3 libcurl libcrypto zlib libarchive sndfile flac soxr
HAVE_SERVER := $(if $(filter-out yes,$(foreach p,$(SERVER_PKGS),$(or $(call have_pkg,$(p)),no))),,yes)
# Not under ThreadSanitizer: it does not know the OpenMP team that oneDNN runs on.
HAVE_DNNL := $(if $(filter thread,$(SAN)),,$(call have_header,oneapi/dnnl/dnnl.h))
NVCC := $(shell command -v nvcc 2>/dev/null)

# --- flags -----------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
        -Wwrite-strings -Wvla -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror=incompatible-pointer-types
OPT := $(if $(SAN),-O1 -fno-omit-frame-pointer,-O2)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
CFLAGS ?= -g
ALL_CFLAGS = -std=gnu11 -I. $(OPT) $(WARN) $(SANFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -pthread -MMD -MP
ALL_LDFLAGS = $(SANFLAGS) $(LDFLAGS) -pthread
DEFS := -D_GNU_SOURCE -DSYN_VERSION='"$(VERSION)"' -DSYN_REVISION='"$(REVISION)"'
SERVER_CFLAGS := $(if $(HAVE_SERVER),$(shell pkg-config --cflags $(SERVER_PKGS)))
SERVER_LIBS := $(if $(HAVE_SERVER),$(shell pkg-config --libs $(SERVER_PKGS)))
ENGINE_LIBS := $(if $(HAVE_DNNL),-ldnnl -lgomp) -lm -ldl

# --- sources ---------------------------------------------------------------------------------
# kernels/cpu/dnnl*.c need oneDNN, kernels/cuda is a plugin of its own; everything else in kernels/
# needs a C compiler only.
ENGINE_C := $(filter-out kernels/cuda/%.c $(if $(HAVE_DNNL),,kernels/cpu/dnnl%.c),$(sort $(wildcard kernels/*.c kernels/*/*.c)))
SERVER_C := $(filter-out server/main.c,$(sort $(wildcard server/*/*.c server/*/*/*.c server/*/*/*/*.c)))
ENGINE_O := $(ENGINE_C:%.c=$(BUILD)/obj/%.o)
SERVER_O := $(SERVER_C:%.c=$(BUILD)/obj/%.o)
ENGINE_A := $(BUILD)/libsynthd-engine.a
SERVER_A := $(BUILD)/libsynthd-server.a
# ThreadSanitizer runs those tests that have more than one thread; the rest would prove nothing.
THREADED := pthread|syn_engine_open|syn_pool|syn_worker|store_t.h|kernels/cpu/
UNIT_C := $(sort $(if $(filter thread,$(SAN)),$(shell grep -lE '$(THREADED)' tests/unit/test_*.c),\
                      $(wildcard tests/unit/test_*.c)))
ENGINE_UNIT := $(patsubst tests/unit/%.c,%,$(shell grep -L '"server/' $(UNIT_C) /dev/null 2>/dev/null | grep -v /dev/null))
UNIT_NAMES := $(if $(HAVE_SERVER),$(UNIT_C:tests/unit/%.c=%),$(ENGINE_UNIT))
UNIT_BIN := $(UNIT_NAMES:%=$(BUILD)/test/%)

DEFS += $(if $(HAVE_DNNL),-DSYN_HAVE_DNNL)

.PHONY: all daemon help config engine unit layers clean
# With nvcc the CUDA plugin too: some minutes, as it is compiled for every card.
all: daemon $(if $(NVCC),cuda)
daemon: config $(ENGINE_A) $(if $(HAVE_SERVER),$(BUILD)/synthd)
	@$(if $(HAVE_SERVER),:,echo "built the engine only: run scripts/install-deps for the daemon")

config:
	@echo "synthd $(VERSION) ($(REVISION))"
	@echo "  compiler   $$($(CC) --version | head -1)"
	@echo "  server     $(if $(HAVE_SERVER),yes,no (missing:$(foreach p,$(SERVER_PKGS),$(if $(call have_pkg,$(p)),, $(p)))))"
	@echo "  oneDNN     $(if $(HAVE_DNNL),yes,no (libdnnl-dev or libonednn-dev))"
	@echo "  nvcc       $(or $(NVCC),no)"

# The engine alone: nothing but a C compiler, references (and vector code where the CPU has it).
engine:
	@$(MAKE) --no-print-directory HAVE_DNNL= HAVE_SERVER= BUILD=$(BUILD)/engine $(BUILD)/engine/libsynthd-engine.a

$(ENGINE_A): $(ENGINE_O)
	@rm -f $@ && ar rcs $@ $^
$(SERVER_A): $(SERVER_O)
	@rm -f $@ && ar rcs $@ $^

# Vector code: one file per instruction set, named so; chosen at run time, never required.
$(BUILD)/obj/%_avx2.o: VECTOR := -O3 -mavx2 -mfma -mf16c
$(BUILD)/obj/%_avx512.o: VECTOR := -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c -mprefer-vector-width=512
$(BUILD)/obj/%_avx512bf16.o: VECTOR := -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mfma -mf16c -mprefer-vector-width=512
$(BUILD)/obj/kernels/cpu/dnnl_omp.o: VECTOR := -fopenmp

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D) && echo "  CC   $<"
	@$(CC) $(ALL_CFLAGS) $(VECTOR) $(DEFS) $(if $(filter server/%,$<),$(SERVER_CFLAGS)) -c $< -o $@

$(BUILD)/obj/server/models/catalog_data.o: config/catalog.json
$(BUILD)/obj/server/http/families/native/openapi_data.o: proto/openapi.yaml

# Files that say the revision are compiled again when it changes.
$(BUILD)/revision: FORCE
	@mkdir -p $(@D) && echo '$(VERSION) $(REVISION)' | cmp -s - $@ || echo '$(VERSION) $(REVISION)' > $@
FORCE:
$(patsubst %.c,$(BUILD)/obj/%.o,$(shell grep -l 'SYN_REVISION\|SYN_VERSION' $(SERVER_C))): $(BUILD)/revision

$(BUILD)/synthd: $(BUILD)/obj/server/main.o $(SERVER_A) $(ENGINE_A)
	@echo "  LD   $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(ENGINE_LIBS)

$(BUILD)/test/%: tests/unit/%.c $(if $(HAVE_SERVER),$(SERVER_A)) $(ENGINE_A)
	@mkdir -p $(@D) && echo "  TEST $<"
	@$(CC) $(ALL_CFLAGS) $(DEFS) $(SERVER_CFLAGS) -MF $@.d $< -o $@ $(ALL_LDFLAGS) $(if $(HAVE_SERVER),$(SERVER_A)) $(ENGINE_A) $(SERVER_LIBS) $(ENGINE_LIBS)

# Under a sanitizer two at a time: it makes each of them many times slower.
unit: $(UNIT_BIN)
	@TEST_JOBS=$(if $(SAN),2,1) scripts/run-tests $(UNIT_BIN)

layers:
	@scripts/layers

# --- proofs; each closes with "N passed, N failed, N skipped" --------------------------------
.PHONY: demo check check-quick conformance server asan asan-server tsan tsan-server fuzz torture parity soak bench install
PYTHON ?= $(shell p=$$(scripts/install-deps --venv)/bin/python; [ -x $$p ] && echo $$p || echo python3)

check:
	@scripts/check
check-quick:
	@scripts/check --quick

# The real daemon, from outside. TESTS="tests/server/test_cli.py" picks some.
TESTS ?= $(sort $(wildcard tests/server/test_*.py))
server: $(BUILD)/synthd
	@SYNTHD=$(BUILD)/synthd PYTHON=$(PYTHON) scripts/run-tests $(TESTS)

# Random kill -9 during a stream of jobs: N kills, JOBS_SENT jobs.
N ?= 200
JOBS_SENT ?= 500
torture: $(BUILD)/synthd
	@SYNTHD=$(BUILD)/synthd $(PYTHON) tests/server/torture.py --kills $(N) --jobs $(JOBS_SENT)

# A sanitizer's build of everything, its unit tests, and the daemon under the command line's tests.
asan:
	@$(MAKE) --no-print-directory BUILD=build/asan SAN=address,undefined unit
asan-server:
	@$(MAKE) --no-print-directory BUILD=build/asan SAN=address,undefined build/asan/synthd
	@SLOW=5 SYNTHD=build/asan/synthd PYTHON=$(PYTHON) scripts/run-tests tests/server/test_cli.py tests/server/test_jobs.py
tsan:
	@TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp" \
	    $(MAKE) --no-print-directory BUILD=build/tsan SAN=thread unit
tsan-server:
	@$(MAKE) --no-print-directory BUILD=build/tsan SAN=thread build/tsan/synthd
	@SLOW=5 SYNTHD=build/tsan/synthd TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp" \
	    $(PYTHON) tests/server/test_cli.py

include kernels/cuda/cuda.mk tests/cuda_host/cuda_host.mk

# libFuzzer on each tests/fuzz/fuzz_*.c, from its corpus; new finds stay in build/fuzz/corpus.
CLANG ?= clang
SECONDS_EACH ?= 60
FUZZ_NAMES := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_BIN := $(FUZZ_NAMES:%=build/fuzz/%)
fuzz:
	@$(MAKE) --no-print-directory BUILD=build/fuzz CC=$(CLANG) HAVE_DNNL= FUZZING=yes fuzz-build
	@scripts/run-fuzz $(SECONDS_EACH) $(FUZZ_BIN)
ifdef FUZZING
OPT := -O1 -fno-omit-frame-pointer
WARN := -Wall -Wno-unknown-pragmas
SANFLAGS := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
.PHONY: fuzz-build
fuzz-build: $(FUZZ_BIN)
build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(SERVER_A) $(ENGINE_A)
	@mkdir -p $(@D) && echo "  FUZZ $<"
	@$(CC) $(ALL_CFLAGS) $(DEFS) $(SERVER_CFLAGS) -fsanitize=fuzzer -MF $@.d $< -o $@ $(ALL_LDFLAGS) -fsanitize=fuzzer $(SERVER_A) $(ENGINE_A) $(SERVER_LIBS) $(ENGINE_LIBS)
endif

# The engine without the daemon, for tests/parity and tests/bench.
$(BUILD)/test/run_model: tests/parity/run_model.c $(ENGINE_A)
	@mkdir -p $(@D) && echo "  TEST $<"
	@$(CC) $(ALL_CFLAGS) $(DEFS) -MF $@.d $< -o $@ $(ALL_LDFLAGS) $(ENGINE_A) $(ENGINE_LIBS)

# Memory over many runs of a voice; `make soak` for long, `make parity` for short.
$(BUILD)/test/soak: tests/bench/soak.c $(ENGINE_A)
	@mkdir -p $(@D) && echo "  TEST $<"
	@$(CC) $(ALL_CFLAGS) $(DEFS) -MF $@.d $< -o $@ $(ALL_LDFLAGS) $(ENGINE_A) $(ENGINE_LIBS)

# ONNX's own operator suite, passes on and off: Debian's cases and those of the package onnx.
# ONLY=pattern: some of them (node/test_conv*, lstm).
$(BUILD)/test/node_suite: tests/conformance/node_suite.c $(ENGINE_A)
	@mkdir -p $(@D) && echo "  TEST $<"
	@$(CC) $(ALL_CFLAGS) $(DEFS) -MF $@.d $< -o $@ $(ALL_LDFLAGS) $(ENGINE_A) $(ENGINE_LIBS)
conformance: $(BUILD)/test/node_suite
	@PYTHON=$(PYTHON) tests/conformance/run $(BUILD)/test/node_suite $(if $(ONLY),--only '$(ONLY)')

# Every model of the catalog against another runtime. ONLY=id does one model.
parity: $(BUILD)/synthd $(BUILD)/test/run_model $(BUILD)/test/soak
	@BUILD=$(BUILD) scripts/fetch-models >/dev/null || echo "parity: some models cannot be fetched"
	@BUILD=$(BUILD) scripts/fetch-models isnet >/dev/null || echo "parity: isnet cannot be fetched"
	@BUILD=$(BUILD) $(PYTHON) tests/parity/parity.py $(if $(ONLY),--only $(ONLY))
# A voice speaks RUNS phrases of other lengths and scales: resident memory stays flat. Some ten minutes.
RUNS ?= 2000
VOICE ?= $(or $(MODELS),$(or $(SYNTHD_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/synthd)/models)/en_US-joe-medium
soak: $(BUILD)/synthd $(BUILD)/test/soak
	@BUILD=$(BUILD) scripts/fetch-models en_US-joe-medium >/dev/null
	@$(BUILD)/test/soak --model $(VOICE)/en_US-joe-medium.onnx --runs $(RUNS)
# Against the peers, in alternation: build/bench.json. WORK=name does one row.
bench: $(BUILD)/synthd $(BUILD)/test/run_model
	@BUILD=$(BUILD) SYNTHD=$(BUILD)/synthd $(PYTHON) tests/bench/bench.py $(if $(WORK),--work $(WORK))

# --- use -------------------------------------------------------------------------------------
# Installs what is missing, builds, fetches models, runs real jobs on a real photo.
demo:
	@scripts/install-deps
	@$(MAKE) --no-print-directory -j$$(nproc) BUILD=$(BUILD) daemon
	@BUILD=$(BUILD) scripts/demo

install: $(BUILD)/synthd
	install -D -m 755 $(BUILD)/synthd $(DESTDIR)$(PREFIX)/bin/synthd
	$(if $(wildcard $(BUILD)/synthd-cuda.so),install -D -m 755 $(BUILD)/synthd-cuda.so $(DESTDIR)$(PREFIX)/lib/synthd/synthd-cuda.so)
	install -D -m 644 config/synthd.json $(DESTDIR)$(PREFIX)/share/synthd/synthd.json
	install -D -m 644 config/catalog.json $(DESTDIR)$(PREFIX)/share/synthd/catalog.json
	sed 's|/usr/local|$(PREFIX)|g' config/synthd.service > $(BUILD)/synthd.service
	install -D -m 644 $(BUILD)/synthd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/synthd.service

help:
	@echo "make              build build/synthd (and say what is missing)"
	@echo "make demo         everything from nothing to results on a photo"
	@echo "make check        every test; check-quick: under three minutes"
	@echo "make unit conformance server parity asan tsan fuzz torture layers engine"
	@echo "                  one kind of proof each; torture N=200, fuzz SECONDS_EACH=60"
	@echo "make daemon cuda  one of the two alone; CUDA_ARCHS=90a: for one card"
	@echo "make cuda-host    the CUDA code on the CPU: plain and checked; cuda-host-asan, cuda-models,"
	@echo "                  cuda-compile, cuda-static (nvcc); plant: bugs that its tests must catch"
	@echo "make soak         2,000 phrases of a voice: resident memory stays flat; RUNS=n"
	@echo "make bench        against the peers: build/bench.json; WORK=name: one row"
	@echo "make install      into PREFIX=/usr/local, DESTDIR for packages"

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
