//! The names of the system calls that inits make. Others are told by their numbers.

macro_rules! known {
    ($($name:ident)*) => {
        &[$((libc::$name, stringify!($name))),*]
    };
}

/// On every processor.
const EVERYWHERE: &[(libc::c_long, &str)] = known! {
    SYS_read SYS_write SYS_openat SYS_close SYS_fstat SYS_newfstatat SYS_lseek SYS_mmap
    SYS_mprotect SYS_munmap SYS_brk SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigtimedwait
    SYS_ioctl SYS_pread64 SYS_writev SYS_dup SYS_dup3 SYS_pipe2 SYS_nanosleep SYS_getpid
    SYS_getppid SYS_clone SYS_clone3 SYS_execve SYS_exit SYS_exit_group SYS_wait4 SYS_waitid
    SYS_kill SYS_tgkill SYS_uname SYS_fcntl SYS_setpgid SYS_getpgid SYS_setsid SYS_getsid
    SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_prctl SYS_prlimit64 SYS_gettid
    SYS_set_tid_address SYS_set_robust_list SYS_rseq SYS_futex SYS_getrandom SYS_clock_gettime
    SYS_clock_nanosleep SYS_signalfd4 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_ppoll
    SYS_timerfd_create SYS_timerfd_settime SYS_pidfd_open SYS_pidfd_send_signal
    SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_sigaltstack SYS_sched_getaffinity SYS_chdir
    SYS_fchdir SYS_umask SYS_statx SYS_getcwd SYS_close_range SYS_capget SYS_capset
};

/// Older ones, which younger processors do not have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[(libc::c_long, &str)] = known! {
    SYS_open SYS_stat SYS_lstat SYS_readlink SYS_poll SYS_access SYS_dup2 SYS_pipe SYS_select
    SYS_pause SYS_fork SYS_vfork SYS_getpgrp SYS_arch_prctl SYS_getrlimit SYS_setrlimit
    SYS_epoll_wait
};
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[(libc::c_long, &str)] = &[];

/// The name of a system call, as section 2 of the manual has it.
pub(super) fn name(call: i64) -> String {
    let found = EVERYWHERE.iter().chain(OLDER).find(|(number, _)| *number == call);
    found.map_or_else(
        || format!("call {call}"),
        |(_, name)| name.trim_start_matches("SYS_").to_owned(),
    )
}
