/* tensor_job.h - kind "tensor": any model, named tensors in, named tensors out, one run.
 *
 * Names.  An input or output goes by the name in the network's file or by its role in the manifest.
 * Values. Types and shapes are those that the network states; nothing is converted. NaN and
 *         infinity are results as others.
 * Precision. f32 unless told otherwise: who asks for tensors wants the model's own numbers.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h. */
#ifndef SYN_TENSOR_JOB_H
#define SYN_TENSOR_JOB_H

#include "server/pipelines/kinds.h"
#include "server/pipelines/pipeline.h"

#define SYN_TENSOR_KIND "tensor"
#define SYN_TENSOR_N_PARAMS 4

extern const struct syn_param_spec syn_tensor_param_table[SYN_TENSOR_N_PARAMS];

/* Texts are borrowed from the parameters. */
struct syn_tensor_params {
    const char *network; /* of the manifest; NULL: its only one */
    const char *outputs; /* names with commas between; NULL: all */
    syn_precision precision;
    uint64_t seed;       /* of random operators that have none of their own */
};
/* As syn_upscale_params_parse; which networks and outputs there are, the model says at open. */
SYN_MUST_CHECK syn_status syn_tensor_params_parse(const struct syn_param *p, int32_t n,
                                                  const struct syn_manifest *m,
                                                  struct syn_tensor_params *out,
                                                  struct syn_field_errors *errs);

struct syn_tensor_named {
    const char *name;
    struct syn_tensor tensor;
};

/* On success the tensors' data is the pipeline's, and in[].tensor empty; on failure they are whole.
 * SYN_INVALID: an input missing, unknown, given twice, or of another type or shape than stated; an
 * unknown network or output. SYN_UNSUPPORTED: over SYN_MAX_UNIT_IO inputs or outputs, or the
 * model's files are malformed. Else as syn_models_acquire. The network is held until close; models, m and cancel must live as long. */
SYN_MUST_CHECK syn_status syn_tensor_open(struct syn_models *models, const struct syn_manifest *m,
                                          const struct syn_tensor_params *p,
                                          struct syn_tensor_named *in, int32_t n_in,
                                          const atomic_bool *cancel, struct syn_pipeline **out,
                                          struct syn_err *err);
/* What open would refuse of inputs of these types and shapes (their data may be NULL), as far as it
 * can be told at once: the network's inputs and outputs are known while it is loaded, and nothing is
 * loaded or waited for. SYN_INVALID; SYN_NO_MEMORY. */
SYN_MUST_CHECK syn_status syn_tensor_check(struct syn_models *models, const struct syn_manifest *m,
                                           const struct syn_tensor_params *p,
                                           const struct syn_tensor_named *in, int32_t n_in,
                                           struct syn_err *err);
/* How many outputs there will be, and after the last unit each of them, in the order of the
 * parameter or of the network, once: the data is the caller's (syn_free), the name lives until
 * close. */
int32_t syn_tensor_results(const struct syn_pipeline *p);
void syn_tensor_take(struct syn_pipeline *p, int32_t i, struct syn_tensor_named *out);

#endif
