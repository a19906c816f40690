//! The order of the first system calls, and the life that follows.

use core::ffi::{CStr, c_char};

use lastout_core::{Role, SignalSet, machine::OWN_FAILURE, run};

use crate::cli::{self, Options, ParentDeath, Subreaper, VARIABLE, Wanted};
use crate::linux::kernel::Linux;
use crate::linux::record::Record;
use crate::linux::spawn::{Start, begins};
use crate::linux::sys::{self, Pid1};
use crate::linux::terminal::Terminal;
use crate::words::{self, Stderr};

/// What the kernel put on the stack at exec: the arguments and the environment, each an array
/// that ends with a null pointer. There is one, and it is ours to change.
#[derive(Debug)]
pub struct Stack {
    arguments: &'static mut [*const c_char],
    environment: &'static mut [*const c_char],
}

impl Stack {
    /// # Safety
    /// `stack` is the stack pointer as `_start` finds it, and this is called once.
    pub unsafe fn new(stack: *mut usize) -> Self {
        // SAFETY: the layout is execve(2)'s: the number of arguments, their pointers, null, the
        // environment's pointers, null. All of it is ours for life.
        unsafe {
            let count = *stack;
            let arguments = stack.add(1).cast::<*const c_char>();
            let environment = arguments.add(count + 1);
            let mut variables = 0;
            while !(*environment.add(variables)).is_null() {
                variables += 1;
            }
            Self {
                arguments: core::slice::from_raw_parts_mut(arguments, count + 1),
                environment: core::slice::from_raw_parts_mut(environment, variables + 1),
            }
        }
    }
}

/// The strings of such an array that begin so. No other is looked at to its end: an environment
/// is long, and next to nothing of it is for us.
fn strings(array: &[*const c_char], begin: &[u8]) -> impl Iterator<Item = &'static [u8]> {
    array.iter().filter(move |&&s| begins(s, begin)).map(|&s| {
        // SAFETY: the kernel's strings end with a zero and stay for life.
        unsafe { CStr::from_ptr(s) }.to_bytes()
    })
}

/// Lives the life of an init; returns the exit code to leave with.
pub fn live(stack: Stack) -> u8 {
    // The very first act: what comes before it is lost for ever (K9), what comes after it
    // waits until it is taken (K4).
    let mask = sys::set_mask(SignalSet::FULL);
    let Stack { arguments, environment } = stack;
    let mut options = Options::NONE;
    let mut has_ours = false;
    let ours = strings(environment, VARIABLE.as_bytes()).inspect(|_| has_ours = true);
    match cli::parse(strings(arguments, b""), ours, &mut options) {
        Ok(Wanted::Run) => (),
        Ok(Wanted::Help) => return words::print_help(),
        Ok(Wanted::Version) => return words::print_version(),
        Err(usage) => {
            Stderr::line(format_args!("{usage}"));
            Stderr::line(format_args!("\"lastout --help\" shows what there is"));
            return OWN_FAILURE;
        }
    }
    let mut record = match start_record(options.record) {
        Ok(record) => record,
        Err(code) => return code,
    };
    if has_ours {
        forget(environment, RECORD);
    }
    sys::reset_chld();
    let pid1 = Pid1::claim();
    options.policy.role = match take_role(pid1.is_some(), options.subreaper) {
        Ok(role) => role,
        Err(code) => return code,
    };
    if let Some(wish) = options.parent_death {
        follow_parent(wish, pid1.is_some());
    }
    let terminal = find_terminal(&mut options);
    let policy = &options.policy;
    // From the place before the command to the null pointer behind it.
    let Some(argv) = arguments.get_mut(options.command.saturating_sub(1)..) else {
        return OWN_FAILURE;
    };
    let start = Start { argv, environment, mask, session: options.session, terminal };
    if let Some(record) = &mut record {
        record.policy(policy);
    }
    let mut kernel = Linux::new(policy, start, pid1, terminal, options.verbosity, record);
    if options.verbosity == cli::Verbosity::Verbose {
        Stderr::line(format_args!("{policy}"));
    }
    run(policy, &mut kernel)
}

/// Not for the main child: a record has one author, and a lastout below us would empty the file.
const RECORD: &[u8] = b"LASTOUT_RECORD=";

/// Takes every variable that begins so (`NAME=`) out of the environment.
fn forget(environment: &mut [*const c_char], variable: &[u8]) {
    let mut at = 0;
    while let Some(&pointer) = environment.get(at) {
        if begins(pointer, variable) {
            // Those behind it move up, the null pointer with them.
            let mut above = core::ptr::null();
            for place in environment.iter_mut().skip(at).rev() {
                above = core::mem::replace(place, above);
            }
        } else {
            at += 1;
        }
    }
}

/// Opens the file for the record, if one is wished.
fn start_record(file: Option<&str>) -> Result<Option<Record>, u8> {
    let Some(file) = file else {
        return Ok(None);
    };
    Record::create(file).map(Some).map_err(|errno| {
        words::not_recorded(file, errno);
        OWN_FAILURE
    })
}

/// Finds out what we are, and becomes what we can be.
fn take_role(is_pid1: bool, subreaper: Subreaper) -> Result<Role, u8> {
    let wanted = match subreaper {
        Subreaper::Auto => !is_pid1,
        Subreaper::On => true,
        Subreaper::Off => false,
    };
    let became = wanted && sys::become_subreaper().is_ok();
    if subreaper == Subreaper::On && !became {
        Stderr::line(format_args!("--subreaper on: this kernel has no subreapers (Linux 3.4)"));
        return Err(OWN_FAILURE);
    }
    Ok(match (is_pid1, became) {
        (true, _) => Role::Pid1,
        (false, true) => Role::Subreaper,
        (false, false) => Role::Plain,
    })
}

/// Asks for the signal at our parent's death, and sends it ourselves if that has passed (K56).
/// It waits, blocked, until there is a main child to send it on to.
fn follow_parent(wish: ParentDeath, is_pid1: bool) {
    let before = sys::getppid();
    sys::set_parent_death_signal(wish.signal);
    // A parent outside the PID namespace is 0, whoever it is.
    let expected = wish.parent.map_or(before, |pid| pid.number() as usize);
    if !is_pid1 && sys::getppid() != expected {
        sys::kill_self(wish.signal);
    }
}

/// The terminal that the main child gets: in its own session whichever we have, else only one
/// whose foreground is ours to give.
fn find_terminal(options: &mut Options<'_>) -> Option<Terminal> {
    let terminal = Terminal::find();
    if options.session {
        return terminal;
    }
    let ours = terminal.filter(|t| t.is_ours());
    options.policy.terminal = ours.is_some();
    ours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(variables: &[&'static CStr]) -> Vec<&'static [u8]> {
        let pointers = variables.iter().map(|v| v.as_ptr());
        let mut environment: Vec<_> = pointers.chain([core::ptr::null()]).collect();
        forget(&mut environment, RECORD);
        assert!(environment.last().is_some_and(|last| last.is_null()));
        strings(&environment, b"").collect()
    }

    #[test]
    fn a_variable_is_taken_out_of_the_environment_wherever_and_however_often_it_is_there() {
        assert_eq!(left(&[]), [b""; 0]);
        assert_eq!(left(&[c"LASTOUT_RECORD=x"]), [b""; 0]);
        let both = [c"LASTOUT_RECORD=x", c"A=1", c"LASTOUT_RECORD=", c"B=", c"LASTOUT_RECORD=y"];
        assert_eq!(left(&both), [&b"A=1"[..], b"B="]);
        let others = [c"LASTOUT_RECORDS=x", c"XLASTOUT_RECORD=x", c"LASTOUT_QUIET=1"];
        assert_eq!(left(&others).len(), 3);
    }
}
