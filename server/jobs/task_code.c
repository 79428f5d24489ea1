/* task_code.c - the stable word of a failed step. See task.h.
 *
 * Layer:   server/jobs.   Threads: pure functions over constant tables. */
#include "server/jobs/task_private.h"

/* One step's own meaning of a status; status OK ends a list and stands for all others. */
struct code {
    syn_status st;
    const char *word;
};

static const struct code open_step[] = {
    {SYN_NOT_FOUND, "unknown_model"}, {SYN_INVALID, "invalid_field"}, {SYN_OK, NULL}};
/* SYN_NOT_FOUND: the input's blob is gone. */
static const struct code decode_picture[] = {
    {SYN_TRUNCATED, "image_truncated"}, {SYN_UNSUPPORTED, "unsupported_media"},
    {SYN_INVALID, "invalid_image"},     {SYN_TOO_LARGE, "payload_too_large"},
    {SYN_NOT_FOUND, "expired"},         {SYN_IO, "storage_failed"},
    {SYN_OK, NULL}};
/* SYN_NUMERIC: the file holds a NaN or infinity. */
static const struct code decode_sound[] = {
    {SYN_TRUNCATED, "audio_truncated"}, {SYN_UNSUPPORTED, "unsupported_media"},
    {SYN_INVALID, "invalid_audio"},     {SYN_NUMERIC, "invalid_audio"},
    {SYN_TOO_LARGE, "payload_too_large"}, {SYN_NOT_FOUND, "expired"},
    {SYN_IO, "storage_failed"},         {SYN_OK, NULL}};
static const struct code decode_tensor[] = {
    {SYN_TRUNCATED, "invalid_tensor"}, {SYN_UNSUPPORTED, "unsupported_media"},
    {SYN_INVALID, "invalid_tensor"},   {SYN_TOO_LARGE, "payload_too_large"},
    {SYN_NOT_FOUND, "expired"},        {SYN_IO, "storage_failed"},
    {SYN_OK, NULL}};
static const struct code size_step[] = {{SYN_INVALID, "invalid_field"},
                                        {SYN_TOO_LARGE, "payload_too_large"},
                                        {SYN_CONFLICT, "model_failed"},
                                        {SYN_UNSUPPORTED, "model_failed"},
                                        {SYN_OK, NULL}};
/* Over the models' budget; else the model's files are to blame, but for our own faults. */
static const struct code load_step[] = {{SYN_TOO_LARGE, "out_of_memory"},
                                        {SYN_INTERNAL, "internal"},
                                        {SYN_NO_MEMORY, "out_of_memory"},
                                        {SYN_NUMERIC, "numeric_error"},
                                        {SYN_DEVICE, "device_lost"},
                                        {SYN_CANCELED, "canceled"},
                                        {SYN_OK, "model_failed"}};
/* Only here the model tells which tensors it takes and makes. */
static const struct code load_tensor[] = {{SYN_INVALID, "invalid_field"},
                                          {SYN_TOO_LARGE, "out_of_memory"},
                                          {SYN_INTERNAL, "internal"},
                                          {SYN_NO_MEMORY, "out_of_memory"},
                                          {SYN_NUMERIC, "numeric_error"},
                                          {SYN_DEVICE, "device_lost"},
                                          {SYN_CANCELED, "canceled"},
                                          {SYN_OK, "model_failed"}};
static const struct code compute_step[] = {{SYN_TOO_LARGE, "out_of_memory"},
                                           {SYN_UNSUPPORTED, "model_failed"},
                                           {SYN_OK, NULL}};
/* Values that the model cannot take (an index out of range). */
static const struct code compute_tensor[] = {{SYN_INVALID, "invalid_tensor"},
                                             {SYN_TOO_LARGE, "out_of_memory"},
                                             {SYN_UNSUPPORTED, "model_failed"},
                                             {SYN_OK, NULL}};
static const struct code encode_step[] = {{SYN_INVALID, "invalid_field"},
                                          {SYN_TOO_LARGE, "payload_too_large"},
                                          {SYN_UNSUPPORTED, "unsupported_value"},
                                          {SYN_OK, NULL}};
static const struct code store_step[] = {{SYN_IO, "storage_failed"}, {SYN_OK, NULL}};
/* What means the same in every step. */
static const struct code any_step[] = {{SYN_NO_MEMORY, "out_of_memory"},
                                       {SYN_NUMERIC, "numeric_error"},
                                       {SYN_DEVICE, "device_lost"},
                                       {SYN_CANCELED, "canceled"},
                                       {SYN_OK, "internal"}};

static const struct code *const steps[][3] = {
    /* by medium: picture, sound, tensor */
    [SYN_STEP_OPEN] = {open_step, open_step, open_step},
    [SYN_STEP_DECODE] = {decode_picture, decode_sound, decode_tensor},
    [SYN_STEP_SIZE] = {size_step, size_step, size_step},
    [SYN_STEP_LOAD] = {load_step, load_step, load_tensor},
    [SYN_STEP_COMPUTE] = {compute_step, compute_step, compute_tensor},
    [SYN_STEP_ENCODE] = {encode_step, encode_step, encode_step},
    [SYN_STEP_STORE] = {store_step, store_step, store_step}};

static const char *look_up(const struct code *c, syn_status st)
{
    while (c->st != SYN_OK && c->st != st) c++;
    return c->word;
}

const char *syn_task_code(const struct syn_task *t, enum syn_task_step step, syn_status st)
{
    const char *word = look_up(steps[step][t ? t->kind->medium : SYN_MEDIUM_PICTURE], st);
    return word ? word : look_up(any_step, st);
}
