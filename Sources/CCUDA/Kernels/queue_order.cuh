// In front of every program: KernelProgram puts it there.
//
// On devices of capability 9.0 a kernel is launched before those in front of it in the queue are done (LaunchKernel), so that getting ready
// costs no time.

/// The next kernel may be launched as soon as every block has come here.
static __device__ __forceinline__ void let_others_start() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// Waits until everything in front is done and what it wrote can be seen, then lets the next kernel get ready. Each thread of each kernel
/// calls it before it reads what a kernel may have written and before it writes to memory: first of all, but for constants.
static __device__ __forceinline__ void wait_for_others() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
    let_others_start();
}
