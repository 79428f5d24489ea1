/* manifest.h - the parts of the manifest reader that the catalog, the tests and the fuzzer share.
 *
 * Layer:   server/models.   Threads: pure functions. */
#ifndef SYN_MODELS_MANIFEST_H
#define SYN_MODELS_MANIFEST_H

#include "server/models/models.h"
#include <jansson.h>

#define SYN_MANIFEST_FILE "model.json"
#define SYN_MANIFEST_LIMIT ((size_t)1 << 20)      /* bytes of a model.json */
#define SYN_MODEL_FILE_LIMIT ((uint64_t)64 << 30) /* bytes of one file */
#define SYN_MAX_FILES (2 * SYN_MAX_VARIANTS)

bool syn_model_id_valid(const char *id); /* [A-Za-z0-9][A-Za-z0-9._-]{0,62}, no ".." */

/* From text. SYN_INVALID names the member; *out is untouched on failure. */
SYN_MUST_CHECK syn_status syn_manifest_parse(const char *text, size_t n, struct syn_manifest *out,
                                             struct syn_err *err);
/* From a parsed object (borrowed); where goes before each member's name in a message ("" or
 * "models[2].manifest."). */
SYN_MUST_CHECK syn_status syn_manifest_from_json(const json_t *root, const char *where,
                                                 struct syn_manifest *out, struct syn_err *err);
/* Beneath an open folder; roots as in folder.h. */
SYN_MUST_CHECK syn_status syn_manifest_read_at(int dir, const char *const *roots,
                                               struct syn_manifest *out, struct syn_err *err);

/* --- shared by manifest*.c alone --- */

struct syn_manifest_file {
    char name[128];
    char sha256[65];
    uint64_t bytes;
    bool used;
};
struct syn_manifest_files {
    struct syn_manifest_file file[SYN_MAX_FILES];
    size_t n;
};

/* The member key of object names one of the files: its name, digest and size are copied out. */
SYN_MUST_CHECK syn_status syn_manifest_pick(const json_t *object, const char *where,
                                            const char *key, struct syn_manifest_files *files,
                                            char name[128], char sha256[65], uint64_t *bytes,
                                            struct syn_err *err);
/* networks, assets and settings of a model of format onnx; its kind is in m already. */
SYN_MUST_CHECK syn_status syn_manifest_read_onnx(const json_t *root, const char *where,
                                                 struct syn_manifest_files *files,
                                                 struct syn_manifest *m, struct syn_err *err);
/* The names and their number, for messages and lookups. */
extern const char *const syn_manifest_kinds[];
extern const size_t syn_manifest_n_kinds;
/* settings of m's kind; then whether m has all that its kind needs. */
SYN_MUST_CHECK syn_status syn_manifest_read_settings(const json_t *root, const char *where,
                                                     struct syn_manifest *m, struct syn_err *err);
SYN_MUST_CHECK syn_status syn_manifest_check_kind(const char *where, const struct syn_manifest *m,
                                                  struct syn_err *err);

/* --- files against the manifest --- */

/* Hash the assets, or the files of one variant, beneath an open folder; roots as in folder.h.
 * cancel may be NULL. */
SYN_MUST_CHECK syn_status syn_assets_verify(int dir, const char *const *roots,
                                            const struct syn_manifest *m,
                                            const atomic_bool *cancel, struct syn_err *err);
SYN_MUST_CHECK syn_status syn_variant_verify(int dir, const char *const *roots,
                                             const struct syn_variant *v,
                                             const atomic_bool *cancel, struct syn_err *err);
/* All of them. */
SYN_MUST_CHECK syn_status syn_manifest_verify_in(const char *folder, const char *const *roots,
                                                 const struct syn_manifest *m,
                                                 struct syn_err *err);

#endif
