/* openapi_data.c - proto/openapi.yaml inside the binary.
 *
 * Layer:   server/http, family native.   Threads: constant. */
#include "server/http/families/native/native.h"

/* The assembler finds the path from the root of the tree, where the build runs. */
__asm__(".pushsection .rodata, \"a\"\n"
        ".global syn_openapi_text\n"
        ".global syn_openapi_text_end\n"
        ".hidden syn_openapi_text\n"
        ".hidden syn_openapi_text_end\n"
        "syn_openapi_text:\n"
        ".incbin \"proto/openapi.yaml\"\n"
        "syn_openapi_text_end:\n"
        ".byte 0\n"
        ".popsection\n");
