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
SERVER_PKGS := libmicrohttpd jansson libjpeg spng libwebp lcms2 sqlite3 libcurl libcrypto zlib libarchive
HAVE_SERVER := $(if $(filter-out yes,$(foreach p,$(SERVER_PKGS),$(or $(call have_pkg,$(p)),no))),,yes)
HAVE_DNNL := $(call have_header,oneapi/dnnl/dnnl.h)
NVCC := $(shell command -v nvcc 2>/dev/null)

# --- flags -----------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
        -Wwrite-strings -Wvla -Wimplicit-fallthrough -Werror=incompatible-pointer-types
OPT := $(if $(SAN),-O1 -fno-omit-frame-pointer,-O2)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
CFLAGS ?= -g
ALL_CFLAGS = -std=gnu11 -I. $(OPT) $(WARN) $(SANFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -pthread -MMD -MP
ALL_LDFLAGS = $(SANFLAGS) $(LDFLAGS) -pthread
DEFS := -D_GNU_SOURCE -DSYN_VERSION='"$(VERSION)"' -DSYN_REVISION='"$(REVISION)"'
SERVER_CFLAGS := $(if $(HAVE_SERVER),$(shell pkg-config --cflags $(SERVER_PKGS)))
SERVER_LIBS := $(if $(HAVE_SERVER),$(shell pkg-config --libs $(SERVER_PKGS)))
ENGINE_LIBS := $(if $(HAVE_DNNL),-ldnnl) -lm -ldl

# --- sources ---------------------------------------------------------------------------------
# kernels/cpu/dnnl*.c need oneDNN; everything else in kernels/ needs a C compiler only.
ENGINE_C := $(filter-out $(if $(HAVE_DNNL),,kernels/cpu/dnnl%.c),$(sort $(wildcard kernels/*.c kernels/*/*.c)))
SERVER_C := $(filter-out server/main.c,$(sort $(wildcard server/*/*.c server/*/*/*.c server/*/*/*/*.c)))
ENGINE_O := $(ENGINE_C:%.c=$(BUILD)/obj/%.o)
SERVER_O := $(SERVER_C:%.c=$(BUILD)/obj/%.o)
ENGINE_A := $(BUILD)/libsynthd-engine.a
SERVER_A := $(BUILD)/libsynthd-server.a
UNIT_C := $(sort $(wildcard tests/unit/test_*.c))
ENGINE_UNIT := $(patsubst tests/unit/%.c,%,$(shell grep -L '"server/' $(UNIT_C) /dev/null 2>/dev/null | grep -v /dev/null))
UNIT_NAMES := $(if $(HAVE_SERVER),$(UNIT_C:tests/unit/%.c=%),$(ENGINE_UNIT))
UNIT_BIN := $(UNIT_NAMES:%=$(BUILD)/test/%)

DEFS += $(if $(HAVE_DNNL),-DSYN_HAVE_DNNL)

.PHONY: all help config engine unit layers clean install
all: config $(ENGINE_A) $(if $(HAVE_SERVER),$(BUILD)/synthd)
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
$(BUILD)/obj/%_avx512.o: VECTOR := -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c -mprefer-vector-width=512
$(BUILD)/obj/%_avx512bf16.o: VECTOR := -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mfma -mf16c -mprefer-vector-width=512
$(BUILD)/obj/%_avx2.o: VECTOR := -O3 -mavx2 -mfma -mf16c

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D) && echo "  CC   $<"
	@$(CC) $(ALL_CFLAGS) $(VECTOR) $(DEFS) $(if $(filter server/%,$<),$(SERVER_CFLAGS)) -c $< -o $@

$(BUILD)/obj/server/models/catalog_data.o: config/catalog.json

$(BUILD)/synthd: $(BUILD)/obj/server/main.o $(SERVER_A) $(ENGINE_A)
	@echo "  LD   $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(ENGINE_LIBS)

$(BUILD)/test/%: tests/unit/%.c $(if $(HAVE_SERVER),$(SERVER_A)) $(ENGINE_A)
	@mkdir -p $(@D) && echo "  TEST $<"
	@$(CC) $(ALL_CFLAGS) $(DEFS) $(SERVER_CFLAGS) -MF $@.d $< -o $@ $(ALL_LDFLAGS) $(if $(HAVE_SERVER),$(SERVER_A)) $(ENGINE_A) $(SERVER_LIBS) $(ENGINE_LIBS)

unit: $(UNIT_BIN)
	@scripts/run-tests $(UNIT_BIN)

layers:
	@scripts/layers

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
