/* kinds.h - the list of job kinds: their inputs and parameters as tables, and the one validator
 * that every way in (native API, API families, command line, a job read back from the store) goes
 * through.
 *
 * JSON stays outside: who parsed it hands over a flat list of struct syn_param and gets plain
 * structs or the full list of field errors back. From the tables the JSON schema of GET /v1/kinds
 * is printed.
 *
 * Layer:   server/pipelines.
 * Threads: pure functions over constant tables. Strings in results are static unless said. */
#ifndef SYN_KINDS_H
#define SYN_KINDS_H

#include "server/pipelines/upscale.h"

/* ---- parameters as they come in and go out ---- */

enum syn_param_type {
    SYN_PARAM_NUMBER,  /* in a table: INTEGER values are taken too */
    /* in a value: a JSON number without fraction or exponent that fits int64_t */
    SYN_PARAM_INTEGER,
    SYN_PARAM_STRING,
    SYN_PARAM_BOOL,
    SYN_PARAM_NULL,    /* values only; refused everywhere */
    SYN_PARAM_OTHER    /* values only: array, object; refused everywhere */
};
/* JSON schema's: "number" "integer" "string" "boolean" ... */
const char *syn_param_type_word(enum syn_param_type t);

struct syn_param {
    const char *name;       /* borrowed */
    enum syn_param_type type;
    double number;          /* NUMBER */
    int64_t integer;        /* INTEGER */
    const char *string;     /* STRING; borrowed */
    bool boolean;           /* BOOL */
};

/* Of a NUMBER or an INTEGER. */
double syn_param_as_double(const struct syn_param *p);

/* One row of a kind's parameter table. */
struct syn_param_spec {
    const char *name;
    enum syn_param_type type;
    double min, max;            /* NUMBER, INTEGER: both inclusive */
    const char *const *words;   /* STRING: the allowed ones, NULL-terminated */
    /* JSON text of the default; NULL: depends on the model or the input */
    const char *default_json;
    const char *description;
};

struct syn_field_error {
    char field[64];        /* the name as sent, cut to fit */
    const char *code;      /* "unknown_field", "invalid_field" (type or range), "duplicate_field",
                              "conflicting_field", "unsupported_value" (legal,
                                  but not with this model or this format) */
    char detail[200];      /* value and bound, for a person: "scale = 0: must be in [0.0625, 16]" */
};
#define SYN_MAX_FIELD_ERRORS 32
/* Every error of a list, in its order; beyond the maximum only counted. Starts zeroed. */
struct syn_field_errors {
    struct syn_field_error item[SYN_MAX_FIELD_ERRORS];
    int32_t n;        /* in item */
    int32_t n_more;   /* left out */
};
/* For validators beside this file that want to add to the same list. */
void syn_field_errors_add(struct syn_field_errors *errs, const char *field, const char *code,
                          const char *format, ...)
    SYN_PRINTF(4, 5);

/* ---- kinds ---- */

struct syn_kind_input {
    const char *name;                  /* "image" */
    bool required;
    const char *const *media_types;    /* NULL-terminated */
    const char *description;
};
struct syn_kind {
    const char *kind;                  /* "upscale" */
    const char *title, *description;
    const struct syn_kind_input *input;
    int32_t n_inputs;                  /* 0: the model names them */
    const struct syn_param_spec *param;
    int32_t n_params;
    const struct syn_param_spec *output; /* of a job's "output" member */
    int32_t n_output;
    bool any_model;                    /* takes ONNX models of every kind, not its own alone */
    bool many_outputs;                 /* as many as the model has; else one */
};
int32_t syn_kinds_count(void);
const struct syn_kind *syn_kinds_at(int32_t i);
const struct syn_kind *syn_kinds_find(const char *kind); /* NULL: unknown */
/* Jobs of this kind may run on this model. */
bool syn_kind_takes(const struct syn_kind *k, const struct syn_manifest *m);

/* ---- kind "upscale" ---- */

#define SYN_UPSCALE_N_PARAMS 9

/* Defaults for this model, then every given parameter. SYN_OK fills *out; SYN_INVALID: *out
 * untouched, *errs holds all errors. What only the picture's size can tell is syn_upscale_resolve's
 * business. */
SYN_MUST_CHECK syn_status syn_upscale_params_parse(const struct syn_param *p, int32_t n,
                                                   const struct syn_manifest *m,
                                                   struct syn_upscale_params *out,
                                                   struct syn_field_errors *errs);
/* The set that takes effect, defaults included, in the table's order: parsing it again gives the
 * same struct. Returns how many were written. */
int32_t syn_upscale_params_effective(const struct syn_upscale_params *p,
                                     struct syn_param out[SYN_UPSCALE_N_PARAMS]);

/* ---- the "output" member of a job that makes a picture ---- */

struct syn_output_spec {
    enum syn_image_format format; /* UNKNOWN = "same": the input's */
    int32_t quality;              /* JPEG, WebP: 1..100; 0 = the format's default */
    int32_t level;                /* PNG: 1..9; 0 = default */
    bool lossless;                /* WebP */
    bool gray;                    /* grey pictures as one channel (PNG, JPEG) */
};
#define SYN_OUTPUT_N_PARAMS 5

extern const struct syn_param_spec syn_output_table[SYN_OUTPUT_N_PARAMS];
/* As syn_upscale_params_parse. A member that the format cannot honour is unsupported_value. */
SYN_MUST_CHECK syn_status syn_output_spec_parse(const struct syn_param *p, int32_t n,
                                                struct syn_output_spec *out,
                                                struct syn_field_errors *errs);
int32_t syn_output_spec_effective(const struct syn_output_spec *s,
                                  struct syn_param out[SYN_OUTPUT_N_PARAMS]);
/* What the encoder is told, "same" resolved to the input's format (PNG when that is UNKNOWN).
 * SYN_TOO_LARGE: the picture is over the format's own limit (JPEG 65500, WebP 16383 a side). */
SYN_MUST_CHECK syn_status syn_output_spec_resolve(const struct syn_output_spec *s,
                                                  enum syn_image_format input, int32_t width,
                                                  int32_t height, struct syn_image_encode_opts *out,
                                                  struct syn_err *err);

/* ---- a validator for any table ---- */

/* Checks n values against a table: unknown and repeated names, types, ranges, words; all errors go
 * to *errs. value[i] is the given value of spec[i], or NULL. Used by the two parsers above. */
void syn_params_check(const struct syn_param_spec *spec, int32_t n_spec, const struct syn_param *p,
                      int32_t n, const struct syn_param **value, struct syn_field_errors *errs);

#endif
