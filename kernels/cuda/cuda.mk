# cuda.mk - the CUDA plugin: $(BUILD)/synthd-cuda.so by nvcc, one object a file for all architectures.
# (On the host runtime, without a card or nvcc: tests/cuda_host/cuda_host.mk.) Included by Makefile.
#
# The plugin holds the engine's lower layers as well (they are code and tables without state); the
# runtime is linked in, the driver is found when it runs. CUDA_ARCHS="90a" builds for one card alone.

CUDA_ARCHS ?= 75 80 86 89 90a 100 120
CUDA_PTX ?= 120
CUDA_C := $(sort $(wildcard kernels/cuda/*.c))
CUDA_CU := $(sort $(wildcard kernels/cuda/*.cu))
CUDA_O := $(CUDA_C:%.c=$(BUILD)/cuda/%.o) $(CUDA_CU:%.cu=$(BUILD)/cuda/%.cu.o)
CUDA_PLUGIN := $(if $(NVCC),$(if $(SAN),,$(if $(CUDA_CU),$(BUILD)/synthd-cuda.so)))
empty :=
comma := $(empty),$(empty)
GENCODE := $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a)$(comma)code=sm_$(a)) \
           -gencode arch=compute_$(CUDA_PTX)$(comma)code=compute_$(CUDA_PTX)
# A register that spills is a build error (-Werror does not cover it): scripts/cuda-static looks.
NVCC_FLAGS := -std=c++17 -O3 -I. --threads 2 -Wno-deprecated-gpu-targets -Xcompiler -Wall,-Wextra,-fPIC,-fvisibility=hidden

.PHONY: cuda
cuda: $(CUDA_PLUGIN)

$(BUILD)/cuda/%.o: %.c
	@mkdir -p $(@D) && echo "  NVCC $<"
	@$(NVCC) -O2 -I. $(DEFS) -Xcompiler -std=gnu11,-Wall,-Wextra,-Wshadow,-fPIC,-fvisibility=hidden -MMD -c $< -o $@
$(BUILD)/cuda/%.cu.o: %.cu
	@mkdir -p $(@D) && echo "  NVCC $<"
	@$(NVCC) $(NVCC_FLAGS) $(GENCODE) -MMD -c $< -o $@

$(BUILD)/synthd-cuda.so: $(CUDA_O) $(ENGINE_A)
	@echo "  LD   $@"
	@$(NVCC) -shared -cudart static -Xlinker --as-needed,--exclude-libs,ALL,-Bsymbolic,--no-undefined -o $@ $^ -lm -ldl $(if $(HAVE_DNNL),-ldnnl -lgomp)

-include $(CUDA_O:.o=.d)
