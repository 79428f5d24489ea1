# cuda_host.mk - CUDA on the CPU: tests/cuda_host/cuda_host.h says how and what it finds. Included by
# Makefile.
#
# Every test_*.cu in tests/cuda_host and tests/cuda is one test, linked with all of kernels/cuda, the
# runtime and the engine; each is built plain and checked (every load and store seen), or once with
# a sanitizer (cuda-host-asan). tests/cuda/test_backend.c runs the engine with the plugin, which is
# built here as it is by nvcc: $(BUILD)/cuda_host/plain/synthd-cuda.so also serves
#     SYNTHD_CUDA_PLUGIN=build/cuda_host/plain/synthd-cuda.so build/synthd selftest --device cuda:0

.PHONY: cuda-host cuda-host-asan cuda-models cuda-compile plant
CUDA_TESTS := $(sort $(wildcard tests/cuda_host/test_*.cu tests/cuda/test_*.cu))
CUDA_HOST_A := $(BUILD)/libcuda-host.a
CUDA_HOST_SO := $(BUILD)/cuda_host/libcuda-host.so
CUDA_HOST_O := $(patsubst %.cpp,$(BUILD)/obj/%.o,$(sort $(wildcard tests/cuda_host/*.cpp)))
CUDA_HOST_FLAGS = -I. -Itests/cuda_host -g -Wall -Wextra -Wshadow -Wno-unknown-pragmas -fPIC -pthread -MMD -MP
CUDA_HOST_CU = $(CUDA_HOST_FLAGS) -std=c++17 -x c++ -include tests/cuda_host/cuda_host.h
CUDA_HOST_SAN_plain := $(if $(SAN),$(SANFLAGS),-fsanitize=alignment,bounds)
CUDA_HOST_SAN_checked := -fsanitize=thread,alignment,bounds --param tsan-instrument-func-entry-exit=0
CUDA_HOST_KINDS := plain $(if $(SAN),,checked)

$(BUILD)/obj/tests/cuda_host/%.o: tests/cuda_host/%.cpp
	@mkdir -p $(@D) && echo "  CXX  $<"
	@$(CXX) $(CUDA_HOST_FLAGS) -std=c++17 -O3 $(SANFLAGS) -c $< -o $@
$(CUDA_HOST_A): $(CUDA_HOST_O)
	@rm -f $@ && ar rcs $@ $^
$(CUDA_HOST_SO): $(CUDA_HOST_O)
	@mkdir -p $(@D)
	@$(CXX) $(SANFLAGS) -pthread -shared -o $@ $^

# $(1): plain or checked
define cuda_host_rules
$(BUILD)/cuda_host/$(1)/%.o: %.cu
	@mkdir -p $$(@D) && echo "  CU   $$< ($(1))"
	@$$(CXX) $$(CUDA_HOST_CU) -O1 $$(CUDA_HOST_SAN_$(1)) -c $$< -o $$@
$(BUILD)/cuda_host/$(1)/kernels/%.o: kernels/%.c
	@mkdir -p $$(@D) && echo "  CC   $$< ($(1))"
	@$$(CC) $$(CUDA_HOST_FLAGS) -std=gnu11 $$(DEFS) -O1 -fvisibility=hidden $$(CUDA_HOST_SAN_$(1)) -c $$< -o $$@
$(BUILD)/cuda_host/$(1)/libkernels.a: $(CUDA_CU:%.cu=$(BUILD)/cuda_host/$(1)/%.o) $(CUDA_C:%.c=$(BUILD)/cuda_host/$(1)/%.o)
	@rm -f $$@ && ar rcs $$@ $$^
$(BUILD)/cuda_host/$(1)/tests/%: $(BUILD)/cuda_host/$(1)/tests/%.o $(BUILD)/cuda_host/$(1)/libkernels.a $(CUDA_HOST_A) $(ENGINE_A)
	@$$(CXX) $$(SANFLAGS) -pthread -rdynamic -o $$@ $$^ $$(ENGINE_LIBS)
$(BUILD)/cuda_host/$(1)/synthd-cuda.so: $(BUILD)/cuda_host/$(1)/libkernels.a $(ENGINE_A) $(CUDA_HOST_SO)
	@$$(CXX) $$(SANFLAGS) -pthread -shared -Wl,--exclude-libs,libsynthd-engine.a,-Bsymbolic,--as-needed -o $$@ \
	    -Wl,--whole-archive $$< -Wl,--no-whole-archive $(ENGINE_A) \
	    -L$$(dir $(CUDA_HOST_SO)) -lcuda-host -Wl,-rpath,'$$$$ORIGIN/..' $$(ENGINE_LIBS)
$(BUILD)/cuda_host/$(1)/test_backend: tests/cuda/test_backend.c $(BUILD)/cuda_host/$(1)/synthd-cuda.so
	@mkdir -p $$(@D) && echo "  TEST $$< ($(1))"
	@$$(CC) $$(ALL_CFLAGS) $$(DEFS) -Itests/cuda_host -MF $$@.d $$< -o $$@ $$(ALL_LDFLAGS) -rdynamic $(ENGINE_A) \
	    -L$$(dir $(CUDA_HOST_SO)) -lcuda-host -Wl,-rpath,'$$$$ORIGIN/..' $$(ENGINE_LIBS)
endef
$(foreach kind,$(CUDA_HOST_KINDS),$(eval $(call cuda_host_rules,$(kind))))
.SECONDARY: $(foreach k,$(CUDA_HOST_KINDS),$(CUDA_TESTS:%.cu=$(BUILD)/cuda_host/$(k)/%.o))

# Stand-ins for libraries that the backend opens by name.
CUDA_HOST_LIBS := $(BUILD)/cuda_host/libs/libcublasLt.so.13
$(BUILD)/cuda_host/libs/libcublasLt.so.13: tests/cuda_host/libs/cublaslt.cpp
	@mkdir -p $(@D) && echo "  CXX  $<"
	@$(CXX) $(CUDA_HOST_FLAGS) -std=c++17 -O2 $(SANFLAGS) -shared $< -o $@

CUDA_HOST_BIN := $(foreach k,$(CUDA_HOST_KINDS),$(CUDA_TESTS:%.cu=$(BUILD)/cuda_host/$(k)/%))
CUDA_HOST_BACKEND := $(if $(CUDA_CU),$(CUDA_HOST_KINDS:%=$(BUILD)/cuda_host/%/test_backend))
cuda-host: $(CUDA_HOST_BIN) $(CUDA_HOST_BACKEND) $(CUDA_HOST_LIBS)
	@LD_LIBRARY_PATH=$(abspath $(BUILD)/cuda_host/libs):$$LD_LIBRARY_PATH scripts/run-tests $(CUDA_HOST_BIN) $(CUDA_HOST_BACKEND)
cuda-host-asan:
	@$(MAKE) --no-print-directory BUILD=build/asan SAN=address,undefined cuda-host

# Bugs planted one at a time, each of which a test must catch. EVERY=12: a sample;
# ONLY=pattern: some of them.
plant:
	@BUILD=$(BUILD) $(PYTHON) scripts/plant $(if $(EVERY),--every $(EVERY)) $(if $(ONLY),'$(ONLY)')

# The catalog's upscalers on the backend, tiny pictures, against ONNX Runtime. ONLY=id: one of them.
cuda-models: $(BUILD)/test/run_model $(BUILD)/cuda_host/plain/synthd-cuda.so
	@BUILD=$(BUILD) scripts/fetch-models >/dev/null || echo "cuda-models: some models cannot be fetched"
	@BUILD=$(BUILD) $(PYTHON) tests/parity/cuda.py --plugin $(BUILD)/cuda_host/plain/synthd-cuda.so $(if $(ONLY),--only $(ONLY))

# What nvcc says to the tests as well, if it is here; no card is needed.
CUDA_TEST_ARCHS ?= 80
cuda-compile: $(CUDA_PLUGIN)
	@mkdir -p $(BUILD)/nvcc
	@$(if $(NVCC),for f in $(CUDA_TESTS); do \
	    for a in $(CUDA_TEST_ARCHS); do echo "  NVCC $$f sm_$$a"; \
	    $(NVCC) -std=c++17 -arch=sm_$$a -I. -c $$f -o $(BUILD)/nvcc/out.o || exit 1; done; done,\
	    echo "no nvcc: nothing compiled for a card")

-include $(wildcard $(BUILD)/cuda_host/*/*.d $(BUILD)/cuda_host/*/*/*/*.d $(BUILD)/obj/tests/cuda_host/*.d)
