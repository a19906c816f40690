//! What differs between processors: how a system call is made, how a child is started in our
//! memory, and what the first instructions are. A new processor is one more file here.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::{syscall, vfork};
#[cfg(target_arch = "x86_64")]
pub use x86_64::{syscall, vfork};

/// What the child of [`vfork`] runs. It must not return.
pub type ChildMain = unsafe extern "C" fn(*mut core::ffi::c_void) -> !;
