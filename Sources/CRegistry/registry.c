#include "CRegistry.h"

extern const cameo_registry_record __start_cameo_operators[] __attribute__((weak, visibility("hidden")));
extern const cameo_registry_record __stop_cameo_operators[] __attribute__((weak, visibility("hidden")));

void cameo_registry_walk(uint64_t kind, void *context) {
    const cameo_registry_record *record = __start_cameo_operators;
    const cameo_registry_record *end = __stop_cameo_operators;
    if (!record) return;
    for (; record < end; ++record) {
        if (record->kind == kind && record->submit) record->submit(context);
    }
}
