//! The record: the dialogue in a file, in the notation, so that it can be replayed.
//!
//! The file is opened by ourselves and non-blocking; a line that cannot be written whole at once
//! is lost, and counted. The count is written before the next line that can be, so that nobody
//! takes a record with holes for a true one ([`Gap`]).

use core::ffi::c_int;
use core::fmt::{self, Write};

use lastout_core::{Entry, Gap, Policy};

use super::output::{append, write_to_own};
use super::spawn::{PATH_MAX, join};
use super::sys::{self, Errno, Fd};

/// Room for the longest policy: every signal rewritten, every exit code remapped (tests below).
const POLICY_MAX: usize = 8192;

/// Room for the longest step, and what stands before it: five effects, each with a value.
const ENTRY_MAX: usize = 512;

/// Who reads it is whoever may read the directory; umask(2) takes its share.
const MODE: libc::mode_t = 0o644;

/// A record that is being written.
#[derive(Debug)]
pub struct Record {
    file: Fd,
    missing: Missing,
}

impl Record {
    /// Opens the file, and empties it if there is one already. No open waits: a FIFO must have
    /// its reader.
    ///
    /// # Errors
    /// As open(2); ENAMETOOLONG also for what is no path.
    #[inline(never)]
    pub fn create(path: &str) -> sys::Result<Self> {
        let mut buffer = [0; PATH_MAX];
        let path = join(&mut buffer, [path.as_bytes(), b"", b"\0"]);
        let path = path.ok_or(Errno(libc::ENAMETOOLONG))?;
        // O_APPEND: who shortens the file meanwhile finds no hole in it.
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND;
        let file = sys::create(path, flags | libc::O_NONBLOCK, MODE)?;
        // Where stdin, stdout or stderr is closed it would take their place.
        let file = if file.number() > 2 { file } else { sys::renumber(&file, 3)? };
        Ok(Self { file, missing: Missing::NOTHING })
    }

    /// Its descriptor's number.
    pub const fn number(&self) -> c_int {
        self.file.number()
    }

    /// The first line.
    #[inline(never)]
    pub fn policy(&mut self, policy: &Policy) {
        self.line(&mut [0; POLICY_MAX], format_args!("{policy}"));
    }

    /// A step. Never inlined: its buffer is stack that most lives never need.
    #[inline(never)]
    pub fn entry(&mut self, entry: &Entry) {
        self.line(&mut [0; ENTRY_MAX], format_args!("{entry}"));
    }

    /// One write: what stands before the line is in the file with it, or counts again.
    fn line(&mut self, buffer: &mut [u8], line: fmt::Arguments<'_>) {
        let mut text = Text { buffer, used: 0 };
        let fits = writeln!(text, "{}{line}", self.missing).is_ok();
        let bytes = text.buffer.get(..text.used).unwrap_or(&[]);
        let written = if fits { write_to_own(&self.file, bytes) } else { 0 };
        self.missing.note(bytes, written);
    }
}

/// What is not in the file. Written, it is what must stand before the next line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Missing {
    /// So many lines were lost since the last whole one.
    lines: u32,
    /// The last line in the file has no end.
    end: bool,
}

impl Missing {
    const NOTHING: Self = Self { lines: 0, end: false };

    /// So much of these bytes, which end with a line, was written.
    fn note(&mut self, bytes: &[u8], written: usize) {
        if written == bytes.len() {
            *self = Self::NOTHING;
            return;
        }
        self.lines = self.lines.saturating_add(1);
        if let Some(last) = bytes.get(..written).and_then(|b| b.last()) {
            self.end = *last != b'\n';
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.end {
            f.write_str("\n")?;
        }
        match self.lines {
            0 => Ok(()),
            lines => writeln!(f, "{}", Gap(lines)),
        }
    }
}

/// A text that is being written, or an error if there is no room for all of it.
struct Text<'b> {
    buffer: &'b mut [u8],
    used: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if append(self.buffer, &mut self.used, text) { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastout_core::{Effect, Event, Forward, Millis, Role, Signal, SignalSet, Step, Target};

    /// No signal has a longer name.
    fn long() -> Signal {
        let all = (1..=64).filter_map(Signal::new);
        all.max_by_key(|s| s.to_string().len()).unwrap()
    }

    #[test]
    fn the_longest_policy_has_room() {
        let mut policy = Policy {
            role: Role::Subreaper,
            forward: Forward::Group,
            stop_signals: SignalSet::FULL,
            drain_signal: long(),
            terminal: true,
            ..Policy::default()
        };
        let graces = &mut policy.graces;
        let longest = Millis(4_294_967_295);
        graces.stop = Some(longest);
        (graces.drain, graces.last_call, graces.kill) = (longest, longest, longest);
        for signal in (1..=64).filter_map(Signal::new) {
            // What becomes itself is not written.
            let to = if signal == long() { Signal::new(signal.number() - 1) } else { Some(long()) };
            policy.rewrites.set(signal, to);
        }
        for code in 0..=255 {
            policy.exit_map.set(code, if code == 255 { 254 } else { 255 });
        }
        let text = policy.to_string();
        assert_eq!((text.matches("rewrite=").count(), text.matches("exit=").count()), (61, 256));
        let text = format!("{text}\n");
        assert!(text.len() <= POLICY_MAX, "{}", text.len());
    }

    #[test]
    fn the_longest_step_has_room() {
        let (signal, value) = (long(), Some(u64::MAX));
        let kill = Effect::Kill { target: Target::Descendants, signal, value };
        let step: Step = format!("{kill}, {kill}, {kill}, {kill}; exit 255").parse().unwrap();
        let entry = Entry { event: Event::Signal { signal, value }, step };
        let text = format!("{}{entry}\n", Missing { lines: u32::MAX, end: true });
        assert!(text.len() <= ENTRY_MAX, "{}", text.len());
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut text = Text { buffer: &mut [0; 4], used: 0 };
        assert!(text.write_str("abc").is_ok());
        assert!(text.write_str("de").is_err());
    }

    /// A file that takes only so many bytes of each line.
    fn written(takes: &[usize]) -> String {
        let (mut file, mut missing) = (String::new(), Missing::NOTHING);
        for (number, &room) in takes.iter().enumerate() {
            let line = format!("{missing}step {number}\n");
            let written = line.len().min(room);
            file.push_str(&line[..written]);
            missing.note(line.as_bytes(), written);
        }
        file
    }

    #[test]
    fn a_line_that_is_not_whole_counts_as_lost_and_is_ended() {
        const ALL: usize = 99;
        for (takes, file) in [
            (&[ALL, ALL][..], "step 0\nstep 1\n"),
            (&[ALL, 0, ALL, ALL], "step 0\n# gap 1\nstep 2\nstep 3\n"),
            (&[0, 0, ALL], "# gap 2\nstep 2\n"),
            (&[3, ALL], "ste\n# gap 1\nstep 1\n"),
            (&[3, 0, ALL], "ste\n# gap 2\nstep 2\n"),
            // Only the line's end; the gap too is cut; the gap is whole and the step is not.
            (&[3, 1, ALL], "ste\n# gap 2\nstep 2\n"),
            (&[3, 7, ALL], "ste\n# gap \n# gap 2\nstep 2\n"),
            (&[0, 8, ALL, ALL], "# gap 1\n# gap 2\nstep 2\nstep 3\n"),
            (&[0, 10, ALL], "# gap 1\nst\n# gap 2\nstep 2\n"),
            (&[6, ALL], "step 0\n# gap 1\nstep 1\n"),
        ] {
            assert_eq!(written(takes), file, "{takes:?}");
        }
    }
}
