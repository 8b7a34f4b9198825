//! What a static program has in place of the C library's own function, because that one drags in half of the library.
//!
//! Only the agent is static: in every other program the C library's function is the one that is called.

/// Says that a thread's stack is not known.
///
/// Rust's library asks for it at the start of each thread, to tell an overflowed stack from other bad addresses in the
/// handler of SIGSEGV. The C library finds the first thread's in `/proc/self/maps` by `sscanf`, which brings floating point
/// numbers of four sizes: 96 kB of each initrd, where a supervisor tells the signal by which the agent ended anyway. The
/// pages that guard stacks are the kernel's and the C library's, and stay.
// SAFETY: the C library's own has this signature and may fail; on failure Rust's library leaves `attributes` alone, as
// this does.
#[unsafe(no_mangle)]
extern "C" fn pthread_getattr_np(
    _thread: libc::pthread_t,
    _attributes: *mut libc::pthread_attr_t,
) -> libc::c_int {
    libc::ENOSYS
}
