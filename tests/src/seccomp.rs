//! A kernel that lacks system calls, as a program sees it: a seccomp filter that answers for them.

use std::io;

/// What is to be refused: a system call, by number, with that error number.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// `libc::SYS_…`.
    pub call: libc::c_long,
    /// Only if its argument of that index has one of these bits.
    pub only_with: Option<(u8, u32)>,
    /// What it fails with.
    pub errno: i32,
}

/// A filter for this process and all that it starts.
#[derive(Debug)]
pub struct Filter(Vec<libc::sock_filter>);

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const HAS_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// # Panics
/// If the code is none.
fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).expect("a code"), jt, jf, k }
}

impl Filter {
    /// One that refuses these. Only for the processor's own system calls, which is all that the
    /// tests' programs make.
    ///
    /// # Panics
    /// If a number is none of a system call.
    #[must_use]
    pub fn new(refusals: &[Refusal]) -> Self {
        let mut code = Vec::new();
        for refusal in refusals {
            let number = u32::try_from(refusal.call).expect("a system call's number");
            let errno = u32::try_from(refusal.errno).expect("an error number");
            // struct seccomp_data: the number, the processor, an address, six arguments.
            let rest = if refusal.only_with.is_some() { 3 } else { 1 };
            code.push(instruction(LOAD, 0, 0, 0));
            code.push(instruction(EQUAL, number, 0, rest));
            if let Some((argument, bits)) = refusal.only_with {
                // Its lower half comes first on processors that are little-endian.
                code.push(instruction(LOAD, 16 + 8 * u32::from(argument), 0, 0));
                code.push(instruction(HAS_BITS, bits, 0, 1));
            }
            code.push(instruction(RETURN, libc::SECCOMP_RET_ERRNO | errno, 0, 0));
        }
        code.push(instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
        Self(code)
    }

    /// Puts it in place, for good. Needs root; a system call only.
    ///
    /// # Errors
    /// As prctl(2), `PR_SET_SECCOMP`.
    ///
    /// # Panics
    /// If it is longer than any filter of ours.
    pub fn install(&mut self) -> io::Result<()> {
        let len = u16::try_from(self.0.len()).expect("a short filter");
        let program = libc::sock_fprog { len, filter: self.0.as_mut_ptr() };
        // SAFETY: the program and its instructions are ours for the time of the call.
        let result = unsafe {
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}
