//! What /proc tells of a process. It may not be mounted, or be another PID namespace's: then it
//! tells nothing, and whoever asks must do without.

use core::ffi::CStr;
use core::fmt::{self, Write};

use lastout_core::{Pid, Signal, SignalSet, decimal};

use super::output::append;
use super::sys::{self, Fd};

/// A line of text with an end: a path, or what is read of a file.
#[derive(Debug)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

impl<const N: usize> Text<N> {
    /// No text.
    pub const fn new() -> Self {
        Self { bytes: [0; N], used: 0 }
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }

    /// The same, if it ends with a zero that is its only one.
    pub fn c_str(&self) -> Option<&CStr> {
        CStr::from_bytes_with_nul(self.bytes()).ok()
    }

    fn read(&mut self, path: &CStr) -> sys::Result<()> {
        // One read gives the whole of a file of /proc that fits.
        self.used = sys::read(&sys::open(path, libc::O_RDONLY)?, &mut self.bytes)?;
        Ok(())
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if append(&mut self.bytes, &mut self.used, text) { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Reads /proc/PID/FILE.
fn read<const N: usize>(pid: Pid, file: &str) -> Option<Text<N>> {
    let mut path = Text::<40>::new();
    write!(path, "/proc/{pid}/").ok()?;
    path.write_str(file).ok()?;
    path.write_str("\0").ok()?;
    let mut text = Text::new();
    text.read(path.c_str()?).ok()?;
    Some(text)
}

/// What /proc/PID/stat says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// 0: the parent is outside the PID namespace.
    pub parent: u32,
    /// As in proc(5): R, S, D, T, t, Z, …
    pub state: u8,
    /// A zombie with more than one is a leader that left before its threads: alive (K38).
    pub threads: u32,
    /// When it was born, in ms since the machine's start.
    pub born: u64,
}

impl Stat {
    /// What /proc says of that process now; nothing, if it has been reaped.
    pub fn of(pid: Pid) -> Option<Self> {
        // 52 numbers of at most 21 characters, and a name.
        Self::parse(read::<1280>(pid, "stat")?.bytes())
    }

    fn parse(text: &[u8]) -> Option<Self> {
        /// `USER_HZ`, which the kernel promises to be 100 on every processor that we know.
        const MS_PER_TICK: u64 = 10;
        // A name can hold spaces, digits and parentheses: it ends at the last one (K64).
        let end = text.iter().rposition(|&b| b == b')')?;
        let mut fields = text.get(end + 1..)?.split(|&b| b == b' ').skip(1);
        // Numbered from 3 (state) as in proc(5); what is taken goes on behind the one before.
        let state = *fields.next()?.first()?;
        let mut after = |others: usize| {
            for _ in 0..others {
                fields.next()?;
            }
            decimal::parse(fields.next()?)
        };
        let parent = u32::try_from(after(0)?).ok()?;
        let threads = u32::try_from(after(20 - 5)?).ok()?;
        let born = after(22 - 21)?.checked_mul(MS_PER_TICK)?;
        Some(Self { parent, state, threads, born })
    }

    /// Has it not ended? A zombie that waits for its parent has.
    pub const fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x') || self.threads > 1
    }
}

/// A process's name, as ps(1) shows it; 15 bytes, or a bit more for kernel threads.
pub fn name(pid: Pid) -> Option<Text<64>> {
    let mut name: Text<64> = read(pid, "comm")?;
    name.used = name.bytes().iter().position(|&b| b == b'\n').unwrap_or(name.used);
    Some(name)
}

/// How a process stands to a signal, as far as /proc/PID/status tells. A hint only: a waiting
/// sigwait(3) is not to be seen there (K62).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stance {
    /// It blocks it.
    Blocks,
    /// It ignores it.
    Ignores,
    /// It has a handler for it.
    Handles,
    /// None of these.
    NoHandler,
}

impl Stance {
    /// How that process stands to `signal`; nothing, if /proc does not tell (gVisor's has no
    /// masks).
    pub fn of(pid: Pid, signal: Signal) -> Option<Self> {
        Self::parse(read::<3072>(pid, "status")?.bytes(), signal)
    }

    fn parse(status: &[u8], signal: Signal) -> Option<Self> {
        let mut stance = None;
        for line in status.split(|&b| b == b'\n').rev() {
            let Some((key, mask)) = line.split_at_checked(MASK) else {
                continue;
            };
            let found = match key {
                b"SigBlk:\t" => Self::Blocks,
                b"SigIgn:\t" => Self::Ignores,
                // The last of them, and so the first that is found.
                b"SigCgt:\t" => {
                    stance = Some(Self::NoHandler);
                    Self::Handles
                }
                _ => continue,
            };
            if stance.is_some() && hexadecimal(mask)?.contains(signal) {
                stance = Some(found);
            }
        }
        stance
    }
}

/// Where the mask begins in its line, behind `SigBlk:` and a tab.
const MASK: usize = 8;

/// A mask as /proc writes it.
fn hexadecimal(mask: &[u8]) -> Option<SignalSet> {
    let bits = mask.iter().try_fold(0_u64, |bits, &digit| {
        Some(bits << 4 | u64::from(char::from(digit).to_digit(16)?))
    })?;
    Some(SignalSet::from_bits(bits))
}

/// Our own pid, by which /proc is believed: nothing, if it is not mounted or shows another PID
/// namespace, whose numbers are other processes here.
pub fn own_pid() -> Option<Pid> {
    let mut own = [0; 16];
    let length = sys::read_link(c"/proc/self", &mut own).ok()?;
    Pid::parse(own.get(..length)?).filter(|own| own.number() as usize == sys::getpid())
}

/// The list of all processes that /proc shows.
#[derive(Debug)]
pub struct Processes {
    directory: Fd,
    buffer: [u8; 1024],
    used: usize,
    at: usize,
}

impl Processes {
    /// All that /proc shows, where [`own_pid`] has said that they are ours; nothing, if it cannot
    /// be opened.
    pub fn open() -> Option<Self> {
        let directory = sys::open(c"/proc", libc::O_RDONLY | libc::O_DIRECTORY).ok()?;
        Some(Self { directory, buffer: [0; 1024], used: 0, at: 0 })
    }

    /// All processes of our PID namespace; nothing, if /proc cannot tell.
    pub fn list() -> Option<Self> {
        own_pid().and_then(|_| Self::open())
    }
}

impl Iterator for Processes {
    type Item = Pid;

    fn next(&mut self) -> Option<Pid> {
        // struct linux_dirent64: inode 8, offset 8, length 2, type 1, name.
        const LENGTH: usize = 16;
        const NAME: usize = 19;
        loop {
            if self.at >= self.used {
                self.used = sys::read_directory(&self.directory, &mut self.buffer).ok()?;
                self.at = 0;
                if self.used == 0 {
                    return None;
                }
            }
            let entry = self.buffer.get(self.at..self.used)?;
            let length = u16::from_le_bytes([*entry.get(LENGTH)?, *entry.get(LENGTH + 1)?]);
            self.at += usize::from(length).max(NAME);
            let name = entry.get(NAME..)?.split(|&b| b == 0).next()?;
            if let Some(pid) = Pid::parse(name) {
                return Some(pid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a) b (c) 1) S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 3 0 12345 0 0";

    #[test]
    fn a_name_may_hold_anything_and_the_fields_behind_it_are_found() {
        let stat = Stat::parse(STAT.as_bytes()).unwrap();
        assert_eq!(stat, Stat { parent: 1, state: b'S', threads: 3, born: 123_450 });
        assert_eq!(Stat::parse(b"7 (x"), None);
        assert_eq!(Stat::parse(b"7 (x) S 1 2"), None);
    }

    #[test]
    fn a_zombie_with_threads_is_alive() {
        let stat = |state: &str, threads: &str| {
            let text = STAT.replace(" S ", state).replace(" 20 0 3 ", threads);
            Stat::parse(text.as_bytes()).unwrap()
        };
        assert!(stat(" Z ", " 20 0 2 ").is_alive());
        assert!(!stat(" Z ", " 20 0 1 ").is_alive());
        assert!(stat(" T ", " 20 0 1 ").is_alive());
    }

    #[test]
    fn our_own_process_is_listed_and_readable() {
        let own = Pid::new(std::process::id()).unwrap();
        assert!(Processes::list().unwrap().any(|pid| pid == own));
        let stat = Stat::of(own).unwrap();
        assert_eq!(stat.parent as usize, sys::getppid());
        assert!(stat.is_alive() && stat.threads > 1);
        let uptime = sys::now(libc::CLOCK_BOOTTIME) / 1_000_000;
        assert!(stat.born <= uptime && uptime - stat.born < 3_600_000);
        assert!(name(own).is_some_and(|n| !n.bytes().is_empty()));
    }

    #[test]
    fn the_stance_is_read_from_the_masks() {
        let status = |blk, ign, cgt| {
            let text = std::format!(
                "Name:\tx\nSigBlk:\t{blk:016x}\nSigIgn:\t{ign:016x}\nSigCgt:\t{cgt:016x}\n"
            );
            Stance::parse(text.as_bytes(), Signal::TERM)
        };
        assert_eq!(status(0x4000, 0, 0x4000), Some(Stance::Blocks));
        assert_eq!(status(0, 0x4000, 0), Some(Stance::Ignores));
        assert_eq!(status(0, 0, 0x4000), Some(Stance::Handles));
        assert_eq!(status(!0x4000_u64, 0, 0), Some(Stance::NoHandler));
        assert_eq!(Stance::parse(b"Name:\tx\nThreads:\t1\n", Signal::TERM), None);
    }
}
