//! A process that does what its command line says, and tells of it in the story (`STORY`, see
//! the library's `story`). The first word is its name, the others are a script:
//!
//! ```text
//! teller worker take TERM 300 finish exit 0
//! teller main spawn G "worker take TERM 300 finish exit 0" until go exit 7
//! ```
//!
//! All signals are blocked from the first instruction on and taken by waiting, so that there
//! are no races; whatever is taken is told: `worker asked TERM` by `take`, `worker got USR1`
//! otherwise. `worker started pid=… ppid=… pgid=… sid=…` comes first.
//!
//! | words | what |
//! |---|---|
//! | `take SIG,… MS` | wait for one of them, tell `asked SIG`, then MS more |
//! | `sleep MS`, `until FILE`, `forever` | as it says; `FILE` beside the story |
//! | `catch N` | tell of N signals with their values |
//! | `spawn G\|S\|D "NAME …"` | start a teller: same group, own session, or daemon |
//! | `default SIG`, `ignore SIG`, `handle SIG` | give it that disposition, unblocked |
//! | `as-found SIG` | leave it ignored if it was ignored at the start, as most programs do |
//! | `stop SIG` | tell `stopping`, stop oneself by it, then tell `resumed` |
//! | `traceme`, `raise SIG` | as it says |
//! | `orphans N` | make N orphans that exit at once |
//! | `report` | tell of masks, descriptors, directory, environment, terminal |
//! | `write TEXT` | write a line to stdout |
//! | `read` | read a line from stdin and tell it |
//! | `user N` | become that user |
//! | `finish`, `tell WORD` | tell `finished`, or the word |
//! | `exit N`, `die SIG`, `run PROGRAM …` | end, or become another program |
//!
//! In the script of a spawned teller a `|` stands for a blank inside a word. As
//! `teller hold PROGRAM …` it is a PID 1 that only starts the program, reaps, tells
//! `bystander …` of a process of its own beside it, `hold main pid=…` and how that ended
//! (`hold ended exit 7`, `hold ended signal 15`), and leaves with its code; as
//! `teller hold-on …` it stays.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, exit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn main() {
    block_all();
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("hold") => hold(&words[1..], false),
        Some("hold-on") => hold(&words[1..], true),
        _ => (),
    }
    let (name, script) = words.split_first().expect("a name");
    Teller { name: name.clone(), told_ready: false }.play(script);
}

struct Teller {
    name: String,
    told_ready: bool,
}

impl Teller {
    fn tell(&self, what: &str) {
        let Some(story) = std::env::var_os("STORY") else {
            return;
        };
        let file = OpenOptions::new().append(true).create(true).open(story);
        // One write: lines of several writers do not mix.
        let line = format!("{} {what}\n", self.name);
        file.and_then(|mut f| f.write_all(line.as_bytes())).expect("the story can be told");
    }

    fn ready(&mut self) {
        if std::mem::replace(&mut self.told_ready, true) {
            return;
        }
        // SAFETY: no pointer is involved in any of these.
        let [own, parent, group, session] =
            unsafe { [libc::getpid(), libc::getppid(), libc::getpgrp(), libc::getsid(0)] };
        self.tell(&format!("started pid={own} ppid={parent} pgid={group} sid={session}"));
    }

    fn play(&mut self, script: &[String]) {
        let mut words = script.iter().map(String::as_str);
        while let Some(word) = words.next() {
            // Whoever sets itself up first is ready only then.
            if !["default", "ignore", "handle", "as-found", "spawn", "traceme", "user"]
                .contains(&word)
            {
                self.ready();
            }
            let mut next = || words.next().unwrap_or_else(|| panic!("{word} needs a word"));
            match word {
                "take" => {
                    let wanted: Vec<_> = next().split(',').map(number_of).collect();
                    let after = millis(next());
                    while !self.wait(None).is_some_and(|signal| wanted.contains(&signal)) {}
                    // No time more is not a moment more: what comes next may be for the next word.
                    if !after.is_zero() {
                        let until = Instant::now() + after;
                        while self.wait(Some(until)).is_some() {}
                    }
                }
                "sleep" => {
                    let until = Instant::now() + millis(next());
                    while self.wait(Some(until)).is_some() {}
                }
                "until" => {
                    let story = PathBuf::from(std::env::var_os("STORY").expect("STORY"));
                    let file = story.with_file_name(next());
                    while !file.exists() {
                        self.wait(Some(Instant::now() + Duration::from_millis(5)));
                    }
                }
                "forever" => loop {
                    self.wait(None);
                },
                "catch" => {
                    for _ in 0..next().parse().expect("a number") {
                        while self.wait(None) == Some(libc::SIGCHLD) {}
                    }
                }
                "spawn" => {
                    let how = next();
                    spawn(how, next());
                }
                "default" => dispose(number_of(next()), libc::SIG_DFL),
                "ignore" => dispose(number_of(next()), libc::SIG_IGN),
                "as-found" => {
                    let signal = number_of(next());
                    if is_ignored(signal) {
                        dispose(signal, libc::SIG_IGN);
                    }
                }
                "handle" => dispose(number_of(next()), handler as *const () as usize),
                "stop" => {
                    let signal = number_of(next());
                    self.tell("stopping");
                    raise_default(signal);
                    self.tell("resumed");
                }
                "traceme" => {
                    // SAFETY: no pointer is looked at.
                    unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
                }
                // SAFETY: numbers only.
                "raise" => drop(unsafe { libc::raise(number_of(next())) }),
                "orphans" => self.orphans(next().parse().expect("a number")),
                "report" => self.report(),
                "write" => {
                    println!("{}", next());
                }
                "read" => {
                    let mut line = String::new();
                    std::io::stdin().read_line(&mut line).expect("stdin");
                    self.tell(&format!("read {}", line.trim()));
                }
                "user" => {
                    let user = next().parse().expect("a number");
                    // SAFETY: numbers only.
                    assert_eq!(unsafe { libc::setuid(user) }, 0);
                }
                "finish" => self.tell("finished"),
                "tell" => self.tell(next()),
                "exit" => exit(next().parse().expect("a code")),
                "die" => {
                    raise_default(number_of(next()));
                    panic!("it should be dead");
                }
                "run" => {
                    let program = next();
                    // The teller's own mask is not the program's.
                    set_mask(0);
                    let error = Command::new(program).args(words.by_ref()).exec();
                    panic!("{program}: {error}");
                }
                _ => panic!("{word}: no such word"),
            }
        }
        self.ready();
    }

    /// Takes a signal and tells of it: its number. None: the time is over.
    fn wait(&self, until: Option<Instant>) -> Option<i32> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let time = left.map(|left| libc::timespec {
            tv_sec: left.as_secs().try_into().expect("not that long"),
            tv_nsec: left.subsec_nanos().into(),
        });
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // What has a disposition of its own is not for us to take.
        let all = !OPEN.load(Ordering::Relaxed);
        // SAFETY: all-zero is a valid siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set has the size given, info and time are ours or null.
        let signal =
            unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &all, &raw mut info, time, 8) };
        let signal = i32::try_from(signal).ok().filter(|&s| s > 0)?;
        if signal == libc::SIGCHLD {
            return Some(signal);
        }
        let value = if info.si_code == libc::SI_QUEUE {
            // SAFETY: it was queued with a value.
            format!(" value={}", unsafe { info.si_value() }.sival_ptr.addr())
        } else {
            String::new()
        };
        let how = if signal == libc::SIGCONT {
            "continued".to_owned()
        } else {
            let asked =
                [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP].contains(&signal);
            format!("{} {}{value}", if asked { "asked" } else { "got" }, name_of(signal))
        };
        self.tell(&how);
        Some(signal)
    }

    fn orphans(&self, count: usize) {
        for _ in 0..count {
            // SAFETY: the child makes system calls only.
            match unsafe { libc::fork() } {
                0 => {
                    // SAFETY: as above; the grandchild is the orphan.
                    unsafe {
                        libc::fork();
                        libc::_exit(0)
                    }
                }
                -1 => panic!("fork: {}", std::io::Error::last_os_error()),
                // SAFETY: no status is asked for.
                child => drop(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }),
            }
        }
        self.tell(&format!("made {count}"));
    }

    fn report(&self) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        for line in status.lines().filter(|l| l.starts_with("Sig")) {
            let (key, value) = line.split_once(':').expect("KEY: VALUE");
            self.tell(&format!("{key} {}", value.trim()));
        }
        let mut fds: Vec<i32> = (0..1024)
            // SAFETY: numbers only.
            .filter(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0)
            .collect();
        fds.sort_unstable();
        self.tell(&format!("fds {fds:?}"));
        let directory = std::env::current_dir().map(|d| d.display().to_string());
        self.tell(&format!("cwd {}", directory.unwrap_or_default()));
        let listen = std::env::var("LISTEN_PID").unwrap_or_default();
        self.tell(&format!("LISTEN_PID {listen}"));
        // SAFETY: numbers only.
        self.tell(&format!("foreground {}", unsafe { libc::tcgetpgrp(0) }));
        self.tell("reported");
    }
}

/// Starts another teller and waits until it is ready (it holds the pipe's end until then).
fn spawn(how: &str, script: &str) {
    let path = std::env::var("TELLER").expect("TELLER");
    let name = script.split(' ').next().expect("a name").to_owned();
    let already = told(&name);
    let words: Vec<CString> = std::iter::once(path.as_str())
        .chain(script.split(' '))
        .map(|w| CString::new(w.replace('|', " ")).expect("no zero in it"))
        .collect();
    let mut argv: Vec<_> = words.iter().map(|w| w.as_ptr()).collect();
    argv.push(std::ptr::null());
    // SAFETY: the child makes system calls only; argv is ended by a null pointer.
    unsafe {
        match libc::fork() {
            0 => {
                if how != "G" {
                    libc::setsid();
                }
                if how == "D" {
                    let between = libc::getpid();
                    if libc::fork() > 0 {
                        libc::_exit(0);
                    }
                    // It tells who its parent is: not before that is who adopted it.
                    while libc::getppid() == between {
                        libc::sched_yield();
                    }
                    let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
                    for fd in 0..3 {
                        libc::dup2(null, fd);
                    }
                }
                libc::execv(argv[0], argv.as_ptr());
                libc::_exit(127);
            }
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            child if how == "D" => drop(libc::waitpid(child, std::ptr::null_mut(), 0)),
            _ => (),
        }
    }
    let start = Instant::now();
    while told(&name) == already {
        assert!(start.elapsed() < Duration::from_secs(30), "{name} does not start");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How often somebody of that name told that it started.
fn told(name: &str) -> usize {
    let story = fs::read_to_string(std::env::var_os("STORY").expect("STORY"));
    let begin = format!("{name} started ");
    story.expect("the story").lines().filter(|l| l.starts_with(&begin)).count()
}

/// PID 1 that only holds the namespace.
fn hold(command: &[String], on: bool) -> ! {
    set_mask(0);
    let bystander = Teller { name: "bystander".to_owned(), told_ready: false };
    // SAFETY: the bystander goes on in this program with no thread but this one.
    if unsafe { libc::fork() } == 0 {
        block_all();
        Teller { ..bystander }.play(&["forever".to_owned()]);
    }
    let holder = Teller { name: "hold".to_owned(), told_ready: true };
    #[allow(clippy::zombie_processes, reason = "waited for below, with everybody else")]
    let main = Command::new(&command[0]).args(&command[1..]).spawn().expect("it starts");
    holder.tell(&format!("main pid={}", main.id()));
    loop {
        let mut status = 0;
        // SAFETY: the status is ours.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if u32::try_from(pid) == Ok(main.id()) {
            let (how, number, code) = if libc::WIFEXITED(status) {
                ("exit", libc::WEXITSTATUS(status), libc::WEXITSTATUS(status))
            } else {
                ("signal", libc::WTERMSIG(status), 128 + libc::WTERMSIG(status))
            };
            holder.tell(&format!("ended {how} {number}"));
            if !on {
                exit(code);
            }
        }
    }
}

extern "C" fn handler(_: i32) {}

/// The signals that were given a disposition, and so are not blocked; as the kernel's bits.
static OPEN: AtomicU64 = AtomicU64::new(0);

fn is_ignored(signal: i32) -> bool {
    // SAFETY: all-zero is a valid sigaction, which is only written to.
    let mut found: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is set, and found is ours.
    unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut found) };
    found.sa_sigaction == libc::SIG_IGN
}

fn dispose(signal: i32, action: usize) {
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(signal, action) };
    OPEN.fetch_or(1 << (signal - 1), Ordering::Relaxed);
    block_all();
}

fn raise_default(signal: i32) {
    // SAFETY: default action, then the signal, which comes when the mask opens.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
        let open = !(1_u64 << (signal - 1));
        set_mask(open);
    }
    block_all();
}

/// Blocks all signals but those that were given a disposition.
fn block_all() {
    set_mask(!OPEN.load(Ordering::Relaxed));
}

/// All 64 of them, also the two that the C library keeps to itself.
fn set_mask(mask: u64) {
    let null: *mut u64 = std::ptr::null_mut();
    // SAFETY: the set has the size given.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &mask, null, 8) };
}

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

fn number_of(word: &str) -> i32 {
    let named = NAMES.iter().position(|&n| n == word).map(|at| at + 1);
    let number = named.or_else(|| word.parse().ok()).unwrap_or_else(|| panic!("{word}: no signal"));
    i32::try_from(number).expect("a signal")
}

fn name_of(number: i32) -> String {
    let at = usize::try_from(number - 1).expect("a signal");
    NAMES.get(at).map_or_else(|| number.to_string(), ToString::to_string)
}

fn millis(word: &str) -> Duration {
    Duration::from_millis(word.parse().unwrap_or_else(|_| panic!("{word}: no time in ms")))
}
