//! Starting the main child, and being able to say why it could not be started.
//!
//! The child begins as a vfork: in our memory, while we stand still, until it has executed its
//! program or given up. So nothing is copied, a failure comes back through memory and is told
//! apart from a program's own 126 or 127, and no signal can find the child before its group is
//! set: whatever is sent on is sent by us, and we are not running.

use core::ffi::{CStr, c_char, c_void};
use core::fmt::Write;

use lastout_core::{Decimal, Pid, SignalSet, SpawnError, decimal};

use super::proc::Text;
use super::sys::{self, Errno};
use super::terminal::Terminal;

/// The longest path, with its end: limits.h.
pub(super) const PATH_MAX: usize = 4096;

/// Where programs are looked for when PATH is not set: as glibc's and musl's execvp.
const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/bin:/usr/bin";

const PATH: &str = "PATH=";

const SHELL: &CStr = c"/bin/sh";

/// How the main child is to be started.
#[derive(Debug)]
pub struct Start<'a> {
    /// A place for the shell, the command and its arguments, and the null pointer behind them.
    pub argv: &'a mut [*const c_char],
    /// The environment, and the null pointer behind it.
    pub environment: &'a mut [*const c_char],
    /// The mask that we were started with.
    pub mask: SignalSet,
    /// In a session of its own, not only a group.
    pub session: bool,
    /// The terminal that the child gets.
    pub terminal: Option<Terminal>,
}

/// Why it could not be started.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// What the machine needs to know.
    pub error: SpawnError,
    /// The system call's reason.
    pub errno: Errno,
}

/// The place of the command in `argv`: behind the one for the shell.
const COMMAND: usize = 1;

/// The command among these arguments. There always is one; an empty one is not found.
fn command(argv: &[*const c_char]) -> *const c_char {
    argv.get(COMMAND).copied().unwrap_or(c"".as_ptr())
}

impl Start<'_> {
    /// The command as it was given.
    pub fn command(&self) -> &CStr {
        // SAFETY: the kernel's argument strings end with a zero and live as long as we do.
        unsafe { CStr::from_ptr(command(self.argv)) }
    }

    /// Where commands are looked for.
    pub fn path(&self) -> &[u8] {
        path_of(self.environment)
    }

    /// Starts it.
    ///
    /// # Errors
    /// No process could be made, or none that runs the command; nothing is left of it then.
    #[inline(never)]
    pub fn spawn(&mut self) -> Result<Pid, Failure> {
        if self.session
            && let Some(terminal) = self.terminal
        {
            terminal.give_up();
        }
        let command = command(self.argv);
        let mut job = Job { start: self, failed: None, replaced: None };
        // SAFETY: child() neither returns nor unwinds and changes only the job, which is ours.
        let started = unsafe { sys::vfork(child, (&raw mut job).cast()) };
        let Job { failed, replaced, .. } = job;
        // What the child changed for its program points into its stack, which is gone.
        if let Some(place) = self.argv.get_mut(COMMAND) {
            *place = command;
        }
        if let Some((at, variable)) = replaced
            && let Some(place) = self.environment.get_mut(at)
        {
            *place = variable;
        }
        match (started, failed) {
            (Err(errno), _) => Err(Failure { error: SpawnError::NoProcess, errno }),
            (Ok(pid), None) => Ok(pid),
            (Ok(pid), Some(errno)) => {
                sys::reap(pid);
                let error = match errno.0 {
                    libc::ENOENT | libc::ENOTDIR => SpawnError::NotFound,
                    _ => SpawnError::NotExecutable,
                };
                Err(Failure { error, errno })
            }
        }
    }

    /// The first file that the command may mean and that is there.
    pub fn found<T>(&self, mut each: impl FnMut(&CStr) -> T) -> Option<T> {
        candidates(self.command(), self.environment, |file| sys::exists(file).then(|| each(file)))
    }
}

/// Calls `each` for every file that the command may mean: itself, if it has a slash, or its
/// name in each directory of PATH, where an empty one is the current directory; until `each`
/// returns something.
fn candidates<T>(
    command: &CStr,
    environment: &[*const c_char],
    mut each: impl FnMut(&CStr) -> Option<T>,
) -> Option<T> {
    if has_slash(command) || command.is_empty() {
        return each(command);
    }
    // A function of its own: its buffer is a page of stack that a command with a slash spares.
    let mut result = None;
    search(command, path_of(environment), &mut |file| {
        result = each(file);
        result.is_some()
    });
    result
}

/// Is a command no name, but a path?
#[allow(clippy::manual_contains, reason = "it is short; a search by words is 240 bytes of program")]
pub fn has_slash(command: &CStr) -> bool {
    command.to_bytes().iter().any(|&b| b == b'/')
}

/// Calls `found` for the command in each directory of `path`, until that says yes.
#[inline(never)]
fn search(command: &CStr, path: &[u8], found: &mut dyn FnMut(&CStr) -> bool) {
    let mut buffer = [0_u8; PATH_MAX];
    for directory in path.split(|&b| b == b':') {
        let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
        let file = join(&mut buffer, [directory, slash, command.to_bytes_with_nul()]);
        if file.is_some_and(&mut *found) {
            return;
        }
    }
}

/// Puts the parts, the last of which ends with a zero, one behind the other, if there is room.
pub(super) fn join<'b>(buffer: &'b mut [u8], parts: [&[u8]; 3]) -> Option<&'b CStr> {
    let mut used = 0;
    for part in parts {
        let room = buffer.get_mut(used..used + part.len())?;
        room.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        used += part.len();
    }
    CStr::from_bytes_with_nul(buffer.get(..used)?).ok()
}

/// What the child is told, and tells.
struct Job<'s, 'a> {
    start: &'s mut Start<'a>,
    failed: Option<Errno>,
    /// A variable of the environment that the child has another value for, and where it is.
    replaced: Option<(usize, *const c_char)>,
}

/// The child, until it is another program.
///
/// # Safety
/// `job` points to a [`Job`]; its start's strings and arrays end as the kernel's do.
unsafe extern "C" fn child(job: *mut c_void) -> ! {
    // SAFETY: as the caller vouches for; our parent stands still meanwhile.
    let job = unsafe { &mut *job.cast::<Job<'_, '_>>() };
    let start = &mut *job.start;
    if start.session {
        sys::setsid();
        if let Some(terminal) = start.terminal {
            terminal.acquire();
        }
    } else {
        sys::own_group();
        if let Some(terminal) = start.terminal {
            // TTOU is blocked still (K79).
            terminal.hand_to(sys::getpid());
        }
    }
    let mut own_listen_pid = Text::new();
    job.replaced = correct_listen_pid(start.environment, &mut own_listen_pid);
    sys::set_mask(start.mask);
    let errno = exec(start);
    job.failed = Some(errno);
    sys::exit(127)
}

/// Runs the command as execvp(3) does: every candidate is tried; a file that the kernel cannot
/// run is a shell script without a first line, unless it is a program for another processor.
#[inline(never)]
fn exec(start: &mut Start<'_>) -> Errno {
    // SAFETY: the kernel's argument strings end with a zero and live as long as we do.
    let command = unsafe { CStr::from_ptr(command(start.argv)) };
    let argv = start.argv.as_mut_ptr();
    let environment = start.environment.as_ptr();
    let (mut denied, mut missing) = (None, Errno(libc::ENOENT));
    let fatal = candidates(command, start.environment, |file| {
        // SAFETY: both arrays end with a null pointer; the first place is before the command's.
        let errno = unsafe { sys::execve(file, argv.add(COMMAND), environment) };
        match errno.0 {
            libc::ENOEXEC if !is_program(file) => {
                // SAFETY: places 0 and 1 of argv are ours to change, and file lives until the
                // exec or, if that fails, is not looked at again: the command is put back.
                unsafe {
                    *argv = SHELL.as_ptr();
                    *argv.add(COMMAND) = file.as_ptr();
                    sys::execve(SHELL, argv, environment);
                }
                Some(errno)
            }
            libc::EACCES => {
                denied = Some(errno);
                None
            }
            // Not here, or a directory of PATH that is none or does not answer.
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {
                missing = if errno.0 == libc::ENOTDIR { errno } else { Errno(libc::ENOENT) };
                None
            }
            _ => Some(errno),
        }
    });
    fatal.or(denied).unwrap_or(missing)
}

/// Is it an ELF program? Then it is one for another processor, and no script for a shell.
pub fn is_program(file: &CStr) -> bool {
    let mut magic = [0; 4];
    let opened = sys::open(file, libc::O_RDONLY | libc::O_NONBLOCK);
    opened.and_then(|fd| sys::read(&fd, &mut magic)) == Ok(4) && magic == *b"\x7fELF"
}

// --------------------------------------------------------------------------------- LISTEN_PID

const LISTEN_PID: &str = "LISTEN_PID=";
/// Its name, seven digits, the end.
const LISTEN_PID_SIZE: usize = LISTEN_PID.len() + 8;

/// Socket activation (`sd_listen_fds(3)`) names the process that the sockets are for: we were
/// named, but the command is meant.
fn correct_listen_pid(
    environment: &mut [*const c_char],
    own: &mut Text<LISTEN_PID_SIZE>,
) -> Option<(usize, *const c_char)> {
    let (at, named) = variable(environment, LISTEN_PID)?;
    if decimal::parse(named)? != sys::getppid() as u64 {
        return None;
    }
    own.write_str(LISTEN_PID).ok()?;
    write!(own, "{}\0", Decimal(sys::getpid() as u64)).ok()?;
    let place = environment.get_mut(at)?;
    Some((at, core::mem::replace(place, own.c_str()?.as_ptr())))
}

/// Where commands are looked for, with that environment.
fn path_of(environment: &[*const c_char]) -> &'static [u8] {
    variable(environment, PATH).map_or(DEFAULT_PATH, |(_, path)| path)
}

/// Where in the environment the variable is that begins so (`NAME=`), and its value.
fn variable(environment: &[*const c_char], begin: &str) -> Option<(usize, &'static [u8])> {
    let begin = begin.as_bytes();
    let at = environment.iter().position(|&entry| begins(entry, begin))?;
    // SAFETY: a string of the kernel's, not null, which ends with a zero and stays.
    let variable = unsafe { CStr::from_ptr(*environment.get(at)?) };
    Some((at, variable.to_bytes().get(begin.len()..)?))
}

/// Is this a string of the kernel's, not its null pointer, and does it begin so? Only as much of
/// it is read as is alike.
pub(crate) fn begins(string: *const c_char, begin: &[u8]) -> bool {
    !string.is_null()
        && begin.iter().enumerate().all(|(at, &byte)| {
            // SAFETY: all bytes before this one are alike, and none of `begin` is the zero that
            // the string ends with: it goes on.
            byte != 0 && unsafe { string.add(at).cast::<u8>().read() } == byte
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates_of(command: &CStr, variable: &CStr) -> Vec<String> {
        let mut found = Vec::new();
        let environment = [variable.as_ptr(), core::ptr::null()];
        candidates(command, &environment, |file| -> Option<()> {
            found.push(file.to_str().unwrap().to_owned());
            None
        });
        found
    }

    #[test]
    fn commands_are_looked_for_as_execvp_does() {
        assert_eq!(candidates_of(c"a/b", c"PATH=/bin"), ["a/b"]);
        assert_eq!(candidates_of(c"ls", c"PATH=/bin::/opt"), ["/bin/ls", "ls", "/opt/ls"]);
        assert_eq!(candidates_of(c"ls", c"PATH="), ["ls"]);
        let default = ["/usr/local/bin/ls", "/bin/ls", "/usr/bin/ls"];
        assert_eq!(candidates_of(c"ls", c"XPATH=/x"), default);
        assert_eq!(candidates_of(c"", c"PATH=/bin"), [""]);
    }

    #[test]
    fn a_directory_too_long_for_a_path_is_passed_over() {
        let path = format!("PATH=/{}:/bin\0", "x".repeat(PATH_MAX)).leak();
        let path = CStr::from_bytes_with_nul(path.as_bytes()).unwrap();
        assert_eq!(candidates_of(c"ls", path), ["/bin/ls"]);
    }
}
