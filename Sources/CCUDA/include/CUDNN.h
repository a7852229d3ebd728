// cuDNN 9 without cuDNN's headers: the graph interface, loaded at run time, and plans for convolutions.
#ifndef CCUDA_CUDNN_H
#define CCUDA_CUDNN_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

typedef struct cameo_cudnn_handle_tag *cameo_cudnn_handle;
/// A backend descriptor.
typedef void *cameo_cudnn_descriptor;

/// libcudnn.so.9. Functions but `version` and the texts return a cudnnStatus_t.
typedef struct cameo_cudnn {
    size_t (*version)(void);
    const char *_Nullable (*_Nonnull error_string)(int32_t code);
    void (*last_error)(char *message, size_t size);
    int32_t (*create)(cameo_cudnn_handle _Nullable *_Nonnull handle);
    int32_t (*destroy)(cameo_cudnn_handle handle);
    int32_t (*set_stream)(cameo_cudnn_handle handle, void *_Nullable stream);
    int32_t (*create_descriptor)(int32_t type, cameo_cudnn_descriptor _Nullable *_Nonnull descriptor);
    int32_t (*destroy_descriptor)(cameo_cudnn_descriptor descriptor);
    int32_t (*finalize)(cameo_cudnn_descriptor descriptor);
    int32_t (*set)(cameo_cudnn_descriptor descriptor, int32_t name, int32_t type, int64_t count, const void *values);
    int32_t (*get)(cameo_cudnn_descriptor descriptor, int32_t name, int32_t type, int64_t room, int64_t *_Nullable count,
                   void *_Nullable values);
    int32_t (*execute)(cameo_cudnn_handle handle, cameo_cudnn_descriptor plan, cameo_cudnn_descriptor pack);
    /// Where the library lies.
    const char *path;
} cameo_cudnn;

/// Codes of cudnnDataType_t, cudnnPointwiseMode_t and cudnnBackendHeurMode_t.
enum {
    CAMEO_CUDNN_FLOAT = 0,
    CAMEO_CUDNN_HALF = 2,
    CAMEO_CUDNN_BFLOAT16 = 9,
    CAMEO_CUDNN_NO_ACTIVATION = -1,
    CAMEO_CUDNN_RELU = 100,
    CAMEO_CUDNN_TANH = 101,
    CAMEO_CUDNN_SIGMOID = 102,
    CAMEO_CUDNN_ELU = 103,
    CAMEO_CUDNN_GELU = 104,
    CAMEO_CUDNN_SWISH = 106,
    CAMEO_CUDNN_GELU_TANH = 107,
    CAMEO_CUDNN_HEURISTIC_B = 1,
    CAMEO_CUDNN_HEURISTIC_FALLBACK = 2,
    CAMEO_CUDNN_HEURISTIC_A = 3,
};

/// activation(convolution(x, w) + bias + added), all but the bias with channels last in memory. Sums and what follows are float32.
typedef struct cameo_cudnn_convolution {
    int32_t axes;   // spatial ones: 2 or 3
    int32_t groups;
    int32_t type;   // of x and w
    int32_t out;    // of y
    int32_t added;  // of what is added, as y in shape; -1: nothing
    int32_t has_bias;  // float32, one a channel
    int32_t activation;
    float clip_low, clip_high, slope;  // of RELU; slope: also Elu's factor and Swish's
    int64_t x[5], w[5], y[5];          // batch (or filters), channels, then the axes
    int64_t stride[3], dilation[3], before[3], after[3];
} cameo_cudnn_convolution;

/// A way to compute one convolution. Used by one thread at a time while it is made; by many afterwards.
typedef struct cameo_cudnn_plan cameo_cudnn_plan;

/// Up to `room` plans that need at most `limit` bytes of workspace, the heuristic's favourite first. How many; 0, with a clause in
/// `reason`, where cuDNN computes no such thing in one go.
int32_t cameo_cudnn_plans(const cameo_cudnn *library, cameo_cudnn_handle handle, const cameo_cudnn_convolution *convolution, int32_t mode,
                          size_t limit, int32_t room, cameo_cudnn_plan *_Nullable *_Nonnull plans, char *reason, size_t size);
/// The plan as text, with what was compiled for it: the bytes that it takes, of which at most `room` are written; 0 where there is none.
int64_t cameo_cudnn_text(const cameo_cudnn_plan *plan, char *_Nullable text, int64_t room);
/// A plan of such a text, made for the same convolution by the same library on the same kind of device; NULL where it is none.
cameo_cudnn_plan *_Nullable cameo_cudnn_restore(const cameo_cudnn *library, cameo_cudnn_handle handle,
                                                const cameo_cudnn_convolution *convolution, const char *text, int64_t size);
size_t cameo_cudnn_workspace(const cameo_cudnn_plan *plan);
/// Of the engine, for messages.
int64_t cameo_cudnn_engine(const cameo_cudnn_plan *plan);
void cameo_cudnn_release(cameo_cudnn_plan *plan);
/// Puts the work into the handle's stream. A cudnnStatus_t.
int32_t cameo_cudnn_run(const cameo_cudnn_plan *plan, cameo_cudnn_handle handle, const void *x, const void *w, const void *_Nullable bias,
                        const void *_Nullable added, void *y, void *_Nullable workspace);

#pragma clang assume_nonnull end
#endif
