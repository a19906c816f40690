//! lastout's child, until it is the command: these calls are not in the record.

use lastout_core::Pid;

use super::{Found, Given};

/// All signals, as the kernel has them: KILL and STOP cannot be blocked (K18).
const ALL_BLOCKED: &str = "fffffffffffbfeff";

/// The child's: its group, its terminal, the mask that lastout was started with, the program.
pub(super) fn compare(
    calls: &[String],
    given: Given<'_>,
    terminal: Option<u32>,
    main: Option<Pid>,
) -> Found {
    let mut calls = calls.iter().map(String::as_str);
    let mut next = |expected: &dyn Fn(&str) -> bool, what: &str| match calls.next() {
        Some(call) if expected(call) => Ok(()),
        other => Err(format!("the child: {what}, not {other:?}")),
    };
    next(&|call| call == "setpgid(0, 0) = 0", "a group of its own")?;
    if let Some(fd) = terminal {
        let own = main.map_or("getpid() = ".to_owned(), |pid| format!("getpid() = {pid}"));
        next(&|call| call.starts_with(&own), "its own pid")?;
        let hands = format!("tcsetpgrp({fd}, ");
        next(&|call| call.starts_with(&hands) && call.ends_with(" = 0"), "the terminal")?;
    }
    let mask = format!("rt_sigprocmask({}) = {ALL_BLOCKED}", given.mask);
    next(&|call| call == mask, "the mask")?;
    // The directories of PATH in turn, until it is another program, or has to give up.
    let mut has_tried = false;
    while let Some(call) = calls.next() {
        let is_end = if call.starts_with("execve(") {
            has_tried = true;
            call.ends_with(" = 0")
        } else if has_tried && main.is_none() && call == "exit_group(127)" {
            true
        } else {
            return Err(format!("the child: {call}"));
        };
        if is_end {
            let more = calls.next();
            let is_right = more.is_none() && main.is_some() == call.starts_with("execve(");
            return if is_right { Ok(()) } else { Err(format!("the child: {call}, {more:?}")) };
        }
    }
    Err("the child: no exec, and no end".to_owned())
}
