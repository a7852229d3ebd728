#pragma once
#include "cameo_plugin.h"
#include <stdbool.h>

/// The host's side of the plugin interface; plugins include cameo_plugin.h alone.

/// True where the Swift runtime that this program was linked with is the one that a library loaded now would find. False where
/// it was linked statically: its symbols are hidden then, and a Swift plugin would bring a second runtime.
bool cameo_swift_runtime_is_shared(void);

/// The first place of the terminated `text` in `size` bytes; NULL where it is not there.
const void *_Nullable cameo_find_bytes(const void *_Nonnull bytes, size_t size, const char *_Nonnull text);
