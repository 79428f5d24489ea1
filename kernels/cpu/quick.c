/* quick.c - the table of quick versions, by operator. See quick.h. */
#include "kernels/cpu/quick.h"
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"

#define DECLARE(ID, quick) extern const struct syn_quick quick;
CPU_QUICK_LIST(DECLARE)
#undef DECLARE

struct entry {
    syn_op_id id;
    const struct syn_quick *quick;
};
static const struct entry entries[] = {
#define ENTRY(ID, quick) {SYN_OP_##ID, &quick},
    CPU_QUICK_LIST(ENTRY)
#undef ENTRY
        {SYN_OP_COUNT, NULL}};

const struct syn_quick *const *cpu_quick(void *self, syn_op_id id)
{
    const struct cpu_self *cpu = self;
    return cpu->quick && cpu->quick[id].quick[0] ? cpu->quick[id].quick : NULL;
}

bool cpu_quick_open(struct cpu_self *self)
{
    int n[SYN_OP_COUNT] = {0};
    self->quick = syn_calloc(SYN_OP_COUNT, sizeof *self->quick);
    for (const struct entry *e = entries; self->quick && e->quick; e++)
        if (n[e->id] < CPU_MAX_QUICK) self->quick[e->id].quick[n[e->id]++] = e->quick;
    return self->quick != NULL;
}
