#pragma once
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Image files decoded by the well-kept libraries, loaded when they are first asked for. Every result is 8-bit RGB, three bytes a
/// pixel, row by row without gaps; alpha is dropped.

typedef enum {
    CIMAGE_JPEG = 0,
    CIMAGE_JPEG2000 = 1,
    CIMAGE_PNG = 2,
    CIMAGE_TIFF = 3,
    CIMAGE_WEBP = 4,
} cimage_format;

typedef enum {
    CIMAGE_OK = 0,
    /// The stream is broken or of a kind that the library does not decode; `message` says what the library says.
    CIMAGE_BROKEN = 1,
    /// The library is not installed; `message` names it.
    CIMAGE_MISSING = 2,
    /// The image needs more memory than allowed.
    CIMAGE_LIMIT = 3,
} cimage_status;

/// Gives `width * height * 3` bytes for the result; NULL ends the decoding with CIMAGE_LIMIT. Called at most once.
typedef void *_Nullable (*cimage_allocate)(void *_Nullable context, int64_t width, int64_t height);

/// Decodes `size` bytes. `limit`: the most bytes that one of the decoder's own big buffers may take. `message` holds 256 bytes.
cimage_status cimage_decode(cimage_format format, const uint8_t *data, size_t size, size_t limit, cimage_allocate allocate,
                            void *_Nullable context, char *message);

#pragma clang assume_nonnull end
