//! Containers as their users start them: by Docker, by runc and by crun.
//!
//! Nothing comes from a registry. The root file system is put together from programs that are
//! here (`Root`): lastout, the teller and tini, which are static, and a few shells. What runs
//! in a container tells its story through a bind mount; the engines' clients are children of the
//! test ([`Client`]). Whatever a test makes is removed when it is dropped, also if it fails.
//!
//! Where an engine is missing, the tests that need it are skipped. To pass them all:
//!
//! ```text
//! .ci/install
//! cargo build --release
//! eval "$(.ci/engines start)"
//! LASTOUT_NO_SKIP=1 cargo test -p lastout-tests --test docker --test runtimes
//! .ci/engines stop
//! ```

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::container::Pty;
use crate::story::Story;
use crate::tools;

pub mod docker;

/// How long an engine may take for anything. Nothing waits so long that works; it is more than
/// a story's limit, whose failure tells more.
const LIMIT: Duration = Duration::from_mins(1);

/// What lies where in every container.
pub const LASTOUT: &str = "/lastout";
/// The teller.
pub const TELLER: &str = "/teller";
/// The init to compare with.
pub const TINI: &str = "/tini";
/// The story's directory, and with it the files that tellers wait for.
const STORY: &str = "/story";
/// Where [`LASTOUT`] and the others are not.
const SEARCH: &str = "/bin";

/// The environment of every container.
fn environment() -> [String; 3] {
    [format!("PATH={SEARCH}"), format!("STORY={STORY}/story"), format!("TELLER={TELLER}")]
}

/// The shells that scripts in containers may be written for.
pub const SHELLS: [&str; 3] = ["/bin/bash", "/bin/dash", "/bin/busybox"];

/// The words of a command line, parted by blanks; brackets keep words together, as quotes would:
/// `/teller main spawn G [g take TERM 0 finish] forever`.
///
/// # Panics
/// If a bracket is not closed.
#[must_use]
pub fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']').expect("a closing bracket"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

/// A name that nobody else uses, here or in another test process.
fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("lastout-{what}-{}-{number}", std::process::id())
}

/// A directory that is removed when it is dropped.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new(what: &str) -> Self {
        let path = std::env::temp_dir().join(unique(what));
        fs::create_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is in a root file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Contents {
    /// lastout and the teller, and not even a directory.
    TwoFiles,
    /// The other inits and shells too.
    Shells,
}

/// A root file system, for an image or a bundle.
#[derive(Debug)]
struct Root(Directory);

impl Root {
    /// Puts it together.
    ///
    /// # Errors
    /// What is missing here.
    fn new(contents: Contents) -> Result<Self, String> {
        let needed = |program: &str| {
            tools::installed(program).ok_or_else(|| format!("{program} is not installed"))
        };
        let root = Self(Directory::new("root"));
        root.copy(tools::lastout(), LASTOUT);
        root.copy(tools::teller(), TELLER);
        if contents == Contents::TwoFiles {
            return Ok(root);
        }
        root.copy(&needed("tini-static")?, TINI);
        for shell in SHELLS {
            let name = shell.rsplit('/').next().unwrap_or(shell);
            let path = needed(name)?;
            root.copy(&path, shell);
            for library in libraries(&path) {
                root.copy(&library, library.to_str().expect("a readable path"));
            }
        }
        for applet in ["sh", "sleep", "tail", "stty", "cat", "true"] {
            let link = root.path().join("bin").join(applet);
            symlink("busybox", link).expect("a link to busybox");
        }
        Ok(root)
    }

    fn path(&self) -> &Path {
        &self.0.0
    }

    fn copy(&self, from: &Path, to: &str) {
        let to = self.path().join(to.trim_start_matches('/'));
        let directory = to.parent().expect("a file is in a directory");
        fs::create_dir_all(directory).expect("a directory");
        // What a link points to, and with its mode.
        let copied = fs::copy(from, &to);
        copied.unwrap_or_else(|e| panic!("{} to {}: {e}", from.display(), to.display()));
    }
}

/// What a program is linked with; nothing, if it is static.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd runs");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = words.split_whitespace().filter(|w| w.starts_with('/'));
    paths.map(PathBuf::from).filter(|p| p.is_file()).collect()
}

/// A client of an engine, running in the foreground as our child.
#[derive(Debug)]
pub struct Client {
    child: Child,
    end: Option<ExitStatus>,
    /// Holds what it writes. Files never fill up, nor keep their reader waiting.
    output: Directory,
    what: String,
}

impl Client {
    /// Starts it, with nothing to read.
    fn start(mut command: Command) -> Self {
        let output = Directory::new("client");
        let file = |name| File::create(output.0.join(name)).expect("a file for the output");
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        Self::spawn(command, output)
    }

    /// Starts it with that as its terminal, as from a login.
    fn start_on(terminal: &Pty, mut command: Command) -> Self {
        let name = terminal.name();
        let end = || {
            let mut options = File::options();
            std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOCTTY);
            let file = options.read(true).write(true).open(&name);
            file.unwrap_or_else(|e| panic!("{}: {e}", name.display()))
        };
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: system calls only.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                if libc::ioctl(0, libc::TIOCSCTTY, 0) == 0 {
                    Ok(())
                } else {
                    Err(io::Error::last_os_error())
                }
            });
        }
        Self::spawn(command, Directory::new("client"))
    }

    fn spawn(mut command: Command, output: Directory) -> Self {
        let what = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|e| panic!("{what}: {e}"));
        Self { child, end: None, output, what }
    }

    /// Waits for its end and tells the exit code; 128 + n if signal n killed it.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(&mut self) -> i32 {
        let start = Instant::now();
        let end = loop {
            if let Some(end) = self.try_wait() {
                break end;
            }
            assert!(start.elapsed() < LIMIT, "does not end: {}\n{}", self.what, self.stderr());
            sleep(Duration::from_millis(2));
        };
        let code = end.code().or_else(|| Some(128 + end.signal()?));
        code.expect("exited or killed")
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        self.try_wait().is_some()
    }

    fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.end.is_none() {
            self.end = self.child.try_wait().expect("it is our child");
        }
        self.end
    }

    /// Sends the client itself a signal.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, number: i32) {
        assert!(self.end.is_none(), "it has been waited for");
        let pid = self.child.id().cast_signed();
        // SAFETY: numbers only; we have not reaped it, so the pid is its own.
        assert_eq!(unsafe { libc::kill(pid, number) }, 0, "{}", self.what);
    }

    /// What it wrote to stdout so far, if that is no terminal.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// What it wrote to stderr so far, if that is no terminal.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.output.0.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.end.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runs a client to its end; what it wrote to stdout if it succeeds.
///
/// # Panics
/// If it does not.
fn succeed(command: Command) -> String {
    let mut client = Client::start(command);
    let code = client.wait();
    assert_eq!(code, 0, "{}\n{}", client.what, client.stderr());
    client.stdout().trim_end().to_owned()
}

/// A process in a container, as the machine sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its pid out here.
    pub outside: i32,
    /// Its pid in the container.
    pub inside: i32,
    /// The letter of its state: R, S, D, T, Z.
    pub state: char,
}

/// The processes of the PID namespace that this process is in, zombies too.
///
/// # Panics
/// If /proc cannot be read.
#[must_use]
pub fn processes(of: i32) -> Vec<Process> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(of);
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|entry| {
        let outside: i32 = entry.file_name().to_str()?.parse().ok()?;
        if own.is_none() || namespace(outside) != own {
            return None;
        }
        Some(Process {
            outside,
            inside: status(outside, "NSpid:")?.split('\t').next_back()?.parse().ok()?,
            state: status(outside, "State:")?.chars().next()?,
        })
    })
    .collect()
}

/// A field of a process's status file.
#[must_use]
pub fn status(pid: i32, key: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|l| l.strip_prefix(key))?;
    Some(value.trim().to_owned())
}

/// What a story must tell when all went well.
pub trait Asked {
    /// Each of them was asked exactly once, with TERM, and finished.
    fn asked_once_and_finished(&self, names: &[&str]);
    /// None of them was asked, none finished.
    fn unasked(&self, names: &[&str]);
}

impl Asked for Story {
    #[track_caller]
    fn asked_once_and_finished(&self, names: &[&str]) {
        let told = self.lines().join("\n");
        for name in names {
            let counts = ["started", "asked TERM", "asked", "finished"]
                .map(|what| self.count(&format!("{name} {what}")));
            assert_eq!(counts, [1; 4], "{name} in the story:\n{told}");
        }
    }

    #[track_caller]
    fn unasked(&self, names: &[&str]) {
        let told = self.lines().join("\n");
        for name in names {
            let counts =
                ["started", "asked", "finished"].map(|what| self.count(&format!("{name} {what}")));
            assert_eq!(counts, [1, 0, 0], "{name} in the story:\n{told}");
        }
    }
}
