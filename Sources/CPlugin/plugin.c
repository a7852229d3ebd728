#define _GNU_SOURCE
#include "CPlugin.h"
#include <dlfcn.h>
#include <string.h>

// What version 1 promised: these places never move.
_Static_assert(sizeof(cameo_text) == 2 * sizeof(void *), "cameo_text is frozen");
_Static_assert(sizeof(cameo_tensor) == 8 + 3 * sizeof(void *), "cameo_tensor is frozen");
_Static_assert(sizeof(cameo_use) == 8, "cameo_use is frozen");
_Static_assert(offsetof(cameo_host, fail) == sizeof(size_t) + 8, "the table's head is frozen");
_Static_assert(
    offsetof(cameo_host, output_texts) == sizeof(size_t) + 8 + 76 * sizeof(void *),
    "version 1 has 77 entries; new ones go after them");
_Static_assert(offsetof(cameo_pass, run) == 7 * sizeof(size_t) + 8 + sizeof(void *), "cameo_pass grows at its end");
_Static_assert(
    offsetof(cameo_operator, evaluate) == 7 * sizeof(size_t) + 8 + 2 * sizeof(void *), "cameo_operator grows at its end");

extern void *swift_retain(void *object);

bool cameo_swift_runtime_is_shared(void) {
    return dlsym(RTLD_DEFAULT, "swift_retain") == (void *)&swift_retain;
}

const void *cameo_find_bytes(const void *bytes, size_t size, const char *text) {
    return memmem(bytes, size, text, strlen(text));
}
