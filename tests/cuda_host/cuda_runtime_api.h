/* cuda_runtime_api.h - the same declarations under the name of the C half. */
#include "cuda_runtime.h"
