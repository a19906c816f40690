//! What people read: short lines on stderr that say what failed, on what, and what to do.
//!
//! No line waits for its reader ([`crate::linux::output`]). A line that is too long for the buffer is cut:
//! better half a sentence than none.

use core::fmt::{self, Write};

use lastout_core::{Decimal, Millis, Pid, Signal, SpawnError};

use crate::cli;
use crate::linux::everybody;
use crate::linux::output::{append, write_without_waiting};
use crate::linux::proc::{self, Stance, Stat};
use crate::linux::spawn::{Failure, Start, has_slash, is_program};
use crate::linux::sys::{self, Errno, Pid1};

/// The most lines about single processes; then their number must do.
const MAX_NAMED: usize = 32;

const PREFIX: &str = "lastout: ";

/// A line for stderr that is being written.
#[derive(Debug)]
pub struct Stderr {
    line: [u8; 1024],
    used: usize,
}

impl Stderr {
    /// A line with only our name in it.
    pub fn new() -> Self {
        let mut line = Self { line: [0; 1024], used: 0 };
        let _ = line.write_str(PREFIX);
        line
    }

    /// Writes a whole line. Never inlined: its buffer is stack that most lives never need.
    #[cold]
    #[inline(never)]
    pub fn line(text: fmt::Arguments<'_>) {
        let mut line = Self::new();
        // It cannot fail: what is too long is cut.
        let _ = line.write_fmt(text);
        line.end_line();
    }

    /// Ends the line and sends it off.
    pub fn end_line(&mut self) {
        append(&mut self.line, &mut self.used, "\n");
        write_without_waiting(self.line.get(..self.used).unwrap_or(&[]));
        self.used = 0;
    }
}

impl Default for Stderr {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // One byte stays free for the end of the line.
        let room = self.line.len() - 1;
        append(self.line.split_at_mut(room).0, &mut self.used, text);
        Ok(())
    }
}

/// Bytes from outside, made fit for a line: what is not printable becomes a question mark.
struct Shown<'b>(&'b [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                f.write_char(if char.is_control() { '?' } else { char })?;
            }
            if !chunk.invalid().is_empty() {
                f.write_char('?')?;
            }
        }
        Ok(())
    }
}

/// The same, of an argument or a variable, in quotation marks.
pub(crate) struct Quoted<'t>(pub(crate) &'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Shown(self.0.as_bytes()))
    }
}

/// A process with its name, if that can be found out: `23 (worker)`.
struct Named(Pid);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)?;
        match proc::name(self.0) {
            Some(name) => write!(f, " ({})", Shown(name.bytes())),
            None => Ok(()),
        }
    }
}

/// When everybody was asked, in ns of `CLOCK_BOOTTIME`.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// At the beginning of the drain.
    pub first: Option<u64>,
    /// At the last call.
    pub last: Option<u64>,
}

impl Asked {
    /// Everybody is being asked now.
    pub fn note(&mut self, now: u64) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// How long ago somebody was asked who was born then (ms since the machine's start).
    fn since(&self, born: u64, now: u64) -> Option<Millis> {
        const NS_PER_MS: u64 = 1_000_000;
        let asked = [self.first?, self.last?].into_iter().find(|ns| born <= ns / NS_PER_MS)?;
        // To hundredths of a second: births are not known any better.
        let hundredths = now.saturating_sub(asked) / NS_PER_MS / 10;
        Some(Millis(u32::try_from(hundredths * 10).unwrap_or(u32::MAX)))
    }
}

/// The main child overslept.
#[cold]
#[inline(never)]
pub fn stop_grace_over(main: Option<Pid>, grace: Option<Millis>) {
    let (Some(main), Some(grace)) = (main, grace) else {
        return;
    };
    Stderr::line(format_args!(
        "{} did not end within the stop grace of {}; asking everybody",
        Named(main),
        grace.in_seconds()
    ));
}

/// Somebody overslept.
#[cold]
#[inline(never)]
pub fn drain_grace_over(grace: Millis) {
    Stderr::line(format_args!(
        "the drain grace of {} is over; asking whoever is left once more",
        grace.in_seconds()
    ));
}

/// Whoever is left is about to be killed.
#[cold]
#[inline(never)]
pub fn killing(pid1: Option<&Pid1>, ask: Signal, asked: &Asked) {
    let now = sys::now(libc::CLOCK_BOOTTIME);
    let known = name_everybody(pid1, &mut |pid, stat| {
        let mut line = Stderr::new();
        let _ = write!(line, "killing {}", Named(pid));
        let _ = match asked.since(stat.born, now) {
            Some(given) => {
                let _ = write!(line, ": still here {} after SIG{ask}", given.in_seconds());
                line.write_str(match Stance::of(pid, ask) {
                    Some(Stance::Blocks) => ", which it blocks",
                    Some(Stance::Ignores) => ", which it ignores",
                    Some(Stance::Handles) => ", which it handles",
                    Some(Stance::NoHandler) => ", for which it has no handler",
                    None => "",
                })
            }
            None => line.write_str(", which there was no time to ask"),
        };
        let _ = line.write_str(state(stat));
        line.end_line();
    });
    if !known {
        Stderr::line(format_args!("killing whoever is left; /proc is needed to tell who that is"));
    }
}

/// Somebody does not even die.
#[cold]
#[inline(never)]
pub fn kill_grace_over(pid1: Option<&Pid1>, grace: Millis) {
    let seconds = grace.in_seconds();
    let known = name_everybody(pid1, &mut |pid, stat| {
        let mut line = Stderr::new();
        let _ = write!(line, "{} is still here {seconds} after SIGKILL", Named(pid));
        let _ = line.write_str(state(stat));
        let _ = line.write_str("; leaving without it");
        line.end_line();
    });
    if !known {
        Stderr::line(format_args!("somebody is still here {seconds} after SIGKILL; leaving"));
    }
}

/// Nobody told how the main child ended.
#[cold]
#[inline(never)]
pub fn main_lost(main: Option<Pid>) {
    let pid = Decimal(main.map_or(0, Pid::number).into());
    Stderr::line(format_args!("{pid} is gone and nobody told how it ended; exit code 125"));
}

/// Steps that were not printed.
#[cold]
#[inline(never)]
pub fn same_again(times: u32) {
    Stderr::line(format_args!("# {} more of the same", Decimal(times.into())));
}

/// What explains why a process does not end, if its state does.
fn state(stat: &Stat) -> &'static str {
    match stat.state {
        b'D' => " (it is in an uninterruptible sleep)",
        b'T' => " (it is stopped)",
        b't' => " (a debugger holds it)",
        _ => "",
    }
}

/// Calls `each` for the first of everybody, and says how many the others are.
#[cold]
#[inline(never)]
fn name_everybody(pid1: Option<&Pid1>, each: &mut dyn FnMut(Pid, &Stat)) -> bool {
    let mut count = 0_usize;
    let known = everybody::name_everybody(pid1, &mut |pid, stat| {
        count += 1;
        if count <= MAX_NAMED {
            each(pid, stat);
        }
    });
    if count > MAX_NAMED {
        let more = Decimal((count - MAX_NAMED) as u64);
        Stderr::line(format_args!("… and {more} more"));
    }
    known
}

/// The main child could not be started.
#[cold]
#[inline(never)]
pub fn not_started(start: &Start<'_>, failure: &Failure) {
    let command = Shown(start.command().to_bytes());
    let mut line = Stderr::new();
    let _ = write!(line, "cannot run {command}: ");
    let _ = match (failure.error, failure.errno) {
        (SpawnError::NoProcess, Errno(libc::EAGAIN)) => line.write_str(
            "no more processes are allowed here (the limit of the pids cgroup or of the user)",
        ),
        (SpawnError::NoProcess, Errno(libc::ENOMEM)) => {
            line.write_str("there is no memory for another process")
        }
        (SpawnError::NoProcess, errno) => write!(line, "no process for it ({errno})"),
        (_, Errno(libc::ENOENT)) => match start.found(|_| ()) {
            Some(()) => line.write_str(
                "it is there, but the interpreter that its first line or its ELF header names is not",
            ),
            None if has_slash(start.command()) => {
                line.write_str("there is no such file")
            }
            None => write!(line, "not found in PATH ({})", Shown(start.path())),
        },
        (_, Errno(libc::ENOTDIR)) => line.write_str("a part of its path is not a directory"),
        (_, Errno(libc::EACCES)) => line.write_str(
            "permission denied; is it a file, executable (chmod +x), and not on a noexec mount?",
        ),
        (_, Errno(libc::ENOEXEC)) => line.write_str(match start.found(is_program) {
            Some(true) => "it is a program for another processor, or damaged",
            _ => "it has no #! line, and /bin/sh, which should run it then, cannot be run",
        }),
        (_, Errno(libc::E2BIG)) => line.write_str("its arguments and environment are too long"),
        (_, Errno(libc::ELOOP)) => line.write_str("too many symbolic links or interpreters"),
        (_, Errno(libc::ETXTBSY)) => line.write_str("somebody has it open for writing"),
        (_, errno) => write!(line, "execve(2) failed ({errno})"),
    };
    line.end_line();
}

/// The file for the record could not be opened.
#[cold]
#[inline(never)]
pub fn not_recorded(file: &str, errno: Errno) {
    let mut line = Stderr::new();
    let _ = write!(line, "cannot record to {}: ", Shown(file.as_bytes()));
    let _ = match errno.0 {
        libc::ENXIO => line.write_str(
            "nobody reads from it; if it is a FIFO start the reader first, if a socket name a file",
        ),
        libc::ENOENT => line.write_str("there is no such directory; make it, or mount it, first"),
        libc::ENOTDIR => line.write_str("a part of its path is not a directory"),
        libc::EISDIR => line.write_str("it is a directory; name a file in it"),
        libc::EACCES | libc::EPERM => {
            line.write_str("permission denied; name a file that this user may write to")
        }
        libc::EROFS => line.write_str("the file system is read-only; name a file on a volume"),
        libc::ENOSPC | libc::EDQUOT => line.write_str("there is no room for a file"),
        libc::EMFILE | libc::ENFILE => line.write_str("too many files are open"),
        libc::ELOOP => line.write_str("too many symbolic links"),
        libc::ENAMETOOLONG => line.write_str("the name is too long"),
        _ => write!(line, "open(2) failed ({errno})"),
    };
    let _ = line.write_str("; nothing was started");
    line.end_line();
}

/// The help as a static: that has a name, by which os/link.ld puts it where most lives never are.
static HELP: [u8; cli::HELP.len()] = match cli::HELP.as_bytes().first_chunk() {
    Some(bytes) => *bytes,
    None => [0; cli::HELP.len()],
};

/// Prints the help on stdout.
#[cold]
#[inline(never)]
pub fn print_help() -> u8 {
    print(&HELP)
}

/// Prints the version on stdout.
#[cold]
#[inline(never)]
pub fn print_version() -> u8 {
    print(concat!("lastout ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())
}

/// Before there is a main child, waiting for a reader harms nobody.
fn print(mut rest: &[u8]) -> u8 {
    const STDOUT: i32 = 1;
    while !rest.is_empty() {
        match sys::write(STDOUT, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or(&[]),
            Err(_) => return lastout_core::machine::OWN_FAILURE,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_too_long_is_cut_and_still_ends() {
        let mut line = Stderr::new();
        for _ in 0..300 {
            line.write_str("12345").unwrap();
        }
        assert_eq!(line.used, line.line.len() - 1);
        assert!(line.line.starts_with(b"lastout: 12345"));
    }

    #[test]
    fn names_cannot_break_a_line() {
        assert_eq!(Shown(b"a\nb\x1b[2J\xffc").to_string(), "a?b?[2J?c");
    }

    #[test]
    fn who_was_born_after_the_first_asking_was_given_less() {
        let ms = |n: u64| n * 1_000_000;
        let mut asked = Asked { first: None, last: None };
        assert_eq!(asked.since(0, ms(9)), None);
        asked.note(ms(1000));
        asked.note(ms(6000));
        assert_eq!(asked.since(900, ms(6257)), Some(Millis(5250)));
        assert_eq!(asked.since(3000, ms(6257)), Some(Millis(250)));
        assert_eq!(asked.since(6100, ms(6257)), None);
    }
}
