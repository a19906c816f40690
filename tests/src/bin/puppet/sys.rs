//! The system calls of a puppet, and how a signal's handler sees one that it interrupts.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;

/// The result of the system call that an instruction is about, once there is one.
pub(crate) struct Result(UnsafeCell<i64>);

// SAFETY: a puppet has one thread; its handlers only look while that is in a system call.
unsafe impl Sync for Result {}

/// There is no result yet. No system call answers so.
pub(crate) const NONE: i64 = i64::MIN;

/// See [`Result`].
pub(crate) static RESULT: Result = Result(UnsafeCell::new(NONE));

impl Result {
    pub(crate) fn get(&self) -> i64 {
        // SAFETY: see above; the assembly writes it behind the compiler's back.
        unsafe { self.0.get().read_volatile() }
    }

    pub(crate) fn set(&self, to: i64) {
        // SAFETY: see above.
        unsafe { self.0.get().write_volatile(to) }
    }
}

/// A system call that no handler needs to know of.
pub(crate) fn call(number: i64, args: [usize; 4]) -> i64 {
    let result;
    // SAFETY: the kernel changes rax, rcx, r11 and what the pointers point to, which the callers
    // have made for that.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") 0_usize,
            in("r9") 0_usize,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

unsafe extern "C" {
    /// As [`call`], and the result is in [`RESULT`] one instruction after it is there at all.
    fn observed_call(number: i64, args: *const usize, result: *mut i64);
    /// Where the result is in rax and nowhere else.
    static observed_call_returned: u8;
    /// Reads what is not there; `faulted` is behind it.
    fn fault_segv();
    /// No instruction.
    fn fault_ill();
    /// Divides by zero.
    fn fault_fpe();
    static faulted: u8;
    fn restorer();
}

global_asm!(
    ".globl observed_call",
    "observed_call:",
    "push r12",
    "mov r12, rdx",
    "mov rax, rdi",
    "mov r11, rsi",
    "mov rdi, [r11]",
    "mov rsi, [r11 + 8]",
    "mov rdx, [r11 + 16]",
    "mov r10, [r11 + 24]",
    "xor r8d, r8d",
    "xor r9d, r9d",
    "syscall",
    ".globl observed_call_returned",
    "observed_call_returned:",
    "mov [r12], rax",
    "pop r12",
    "ret",
    ".globl restorer",
    "restorer:",
    "mov eax, 15",
    "syscall",
    ".globl fault_segv",
    "fault_segv:",
    "xor eax, eax",
    "mov eax, [rax]",
    ".globl fault_ill",
    "fault_ill:",
    "ud2",
    ".globl fault_fpe",
    "fault_fpe:",
    "xor edx, edx",
    "xor ecx, ecx",
    "mov eax, 1",
    "div ecx",
    ".globl faulted",
    "faulted:",
    "ret",
);

/// A system call whose result a handler can find even if it comes between the call's end and the
/// next instruction.
pub(crate) fn observed(number: i64, args: [usize; 4]) -> i64 {
    RESULT.set(NONE);
    // SAFETY: as `call`; the result is written to a static.
    unsafe { observed_call(number, args.as_ptr(), RESULT.0.get()) };
    RESULT.get()
}

/// A fault of our own, by that signal's number. It comes back if a handler lets it
/// ([`skip_fault`]).
pub(crate) fn fault(signal: u8) {
    // SAFETY: they fault; if a handler skips that, they return.
    unsafe {
        match signal {
            4 => fault_ill(),
            8 => fault_fpe(),
            _ => fault_segv(),
        }
    }
}

/// The structure of `rt_sigaction(2)`.
#[repr(C)]
struct Action {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// A handler that learns where it interrupts.
pub(crate) type Handler = extern "C" fn(i32, *const libc::siginfo_t, *mut libc::ucontext_t);

/// What to do about a signal.
pub(crate) enum Disposition {
    Default,
    Ignore,
    Handle(Handler, bool),
}

/// sigaction(2): the result.
pub(crate) fn set_action(signal: u8, to: &Disposition) -> i64 {
    const RESTORER: u64 = 0x0400_0000;
    let (handler, once) = match to {
        Disposition::Default => (0, false),
        Disposition::Ignore => (1, false),
        Disposition::Handle(handler, once) => (*handler as usize, *once),
    };
    let mut flags = RESTORER | libc::SA_SIGINFO as u64;
    if once {
        flags |= libc::SA_RESETHAND as u64;
    }
    let action = Action { handler, flags, restorer: restorer as *const () as usize, mask: 0 };
    observed(libc::SYS_rt_sigaction, [usize::from(signal), (&raw const action).addr(), 0, 8])
}

/// If the interrupted code stands right behind its observed system call, takes the result from
/// the register.
pub(crate) fn take_result(context: &libc::ucontext_t) {
    let registers = &context.uc_mcontext.gregs;
    let behind = (&raw const observed_call_returned).addr();
    if registers[libc::REG_RIP as usize] as usize == behind {
        RESULT.set(registers[libc::REG_RAX as usize]);
    }
}

/// The interrupted code goes on behind its fault.
pub(crate) fn skip_fault(context: &mut libc::ucontext_t) {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] = (&raw const faulted).addr() as i64;
}
