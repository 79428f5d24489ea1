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
# What ptxas says of each kernel (X.cu.log) and what it made (X.cu.kept/) stay beside the object for
# scripts/cuda-static. One architecture after another, not --threads: their words would mix.
NVCC_FLAGS := -std=c++17 -O3 -I. -Wno-deprecated-gpu-targets -Xptxas -v -Xcompiler -Wall,-Wextra,-fPIC,-fvisibility=hidden

.PHONY: cuda cuda-objects cuda-static
cuda: $(CUDA_PLUGIN)
cuda-objects: $(if $(NVCC),$(CUDA_CU:%.cu=$(BUILD)/cuda/%.cu.o))
# Each kernel's registers, occupancy and SASS against tests/cuda/static.txt: no card needed.
cuda-static: cuda-objects
	@BUILD=$(BUILD) $(PYTHON) scripts/cuda-static $(if $(UPDATE),--update)

$(BUILD)/cuda/%.o: %.c
	@mkdir -p $(@D) && echo "  NVCC $<"
	@$(NVCC) -O2 -I. $(DEFS) -Xcompiler -std=gnu11,-Wall,-Wextra,-Wshadow,-fPIC,-fvisibility=hidden -MMD -c $< -o $@
$(BUILD)/cuda/%.cu.o: %.cu
	@rm -rf $(@:.o=.kept) && mkdir -p $(@:.o=.kept) && echo "  NVCC $<"
	@$(NVCC) $(NVCC_FLAGS) $(GENCODE) --keep --keep-dir $(@:.o=.kept) -MMD -c $< -o $@ 2>$(@:.o=.log) || \
	    { grep -v '^ptxas info\|bytes stack frame' $(@:.o=.log); exit 1; }
	@grep -v '^ptxas info\|bytes stack frame' $(@:.o=.log) || true
	@cd $(@:.o=.kept) && find . -type f ! -name '*.ptx' ! -name '*.cubin' -delete

$(BUILD)/synthd-cuda.so: $(CUDA_O) $(ENGINE_A)
	@echo "  LD   $@"
	@$(NVCC) -shared -cudart static -Xlinker --as-needed,--exclude-libs,ALL,-Bsymbolic,--no-undefined -o $@ $^ -lm -ldl $(if $(HAVE_DNNL),-ldnnl -lgomp)

-include $(CUDA_O:.o=.d)
