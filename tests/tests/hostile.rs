//! A hostile inheritance or neighbour hurts nobody: whatever lastout is started with, and
//! whatever the others do, the exit code is the main child's and nobody hangs.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use lastout_tests::container::{Container, available, fill, pipe, until};
use lastout_tests::seccomp::{Filter, Refusal};
use lastout_tests::story::Story;
use lastout_tests::tools;
use nix::sys::signal::Signal;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

/// A life with a worker that has to be asked; the exit code is 7.
fn a_life(change: impl FnOnce(Container) -> Container) {
    if !available() {
        return;
    }
    let story = Story::new();
    let worker = "worker take TERM 100 finish exit 0";
    let arguments = [teller(), "main", "spawn", "D", worker, "take", "TERM", "0", "exit", "7"];
    let mut container = change(Container::lastout(&story, &arguments)).start();
    story.wait_for("main started");
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 7, "{}", container.stderr());
    assert_eq!(story.count("worker asked TERM"), 1, "{:?}", story.lines());
    assert_eq!(story.count("worker finished"), 1);
}

#[test]
fn chld_ignored() {
    a_life(|c| c.with_ignored(&[Signal::SIGCHLD]));
}

#[test]
fn every_signal_blocked() {
    a_life(Container::with_all_blocked);
}

#[test]
fn every_signal_ignored() {
    let all: Vec<Signal> =
        Signal::iterator().filter(|s| !matches!(s, Signal::SIGKILL | Signal::SIGSTOP)).collect();
    a_life(|c| c.with_ignored(&all));
}

#[test]
fn stdin_stdout_and_stderr_closed() {
    a_life(|c| c.with_closed(&[0, 1, 2]));
    a_life(|c| c.with_closed(&[0]));
    a_life(|c| c.with_closed(&[2]));
}

#[test]
fn proc_not_mounted() {
    a_life(Container::without_proc);
}

#[test]
fn proc_not_mounted_and_somebody_has_to_be_killed() {
    if !available() {
        return;
    }
    let story = Story::new();
    let arguments = [
        "--drain-grace",
        "200ms",
        teller(),
        "main",
        "spawn",
        "D",
        "deaf ignore TERM forever",
        "exit",
        "3",
    ];
    let mut container = Container::lastout(&story, &arguments).without_proc().start();
    assert_eq!(container.wait(), 3);
    assert!(container.stderr().contains("killing whoever is left"), "{}", container.stderr());
}

/// Steps enough to fill any pipe, if they were told to one that nobody reads.
const MANY_STEPS: &str = "i=0; while [ $i -lt 600 ]; do kill -USR1 1; i=$((i + 1)); done; exit 5";

/// A life with a stderr that is full, under that filter.
fn a_life_with_a_full_stderr(mut filter: Filter) {
    let story = Story::new();
    let (reader, writer) = pipe();
    fill(writer.as_fd());
    let words = ["-v", "sh", "-c", &format!("trap : USR1; {MANY_STEPS}")];
    let mut container = Container::lastout(&story, &words)
        .with(|command| {
            command.stderr(Stdio::from(writer));
        })
        .prepared(move || filter.install())
        .start();
    assert_eq!(container.wait(), 5);
    drop(reader);
}

#[test]
fn a_full_stderr_pipe_that_nobody_reads() {
    if !available() {
        return;
    }
    a_life_with_a_full_stderr(Filter::new(&[]));
}

#[test]
fn a_stderr_pipe_that_another_fills_between_the_look_and_the_write() {
    if !available() {
        return;
    }
    // As if there had been room at the look: nobody says that there is none, so each line is written.
    let look = Refusal { call: libc::SYS_ppoll, only_with: None, errno: libc::ENOSYS };
    a_life_with_a_full_stderr(Filter::new(&[look]));
}

#[test]
fn stderr_is_a_device_that_never_says_that_it_has_room() {
    const KERNEL_LOG: &str = "/dev/kmsg";
    if !available() {
        return;
    }
    let open = |options: &mut OpenOptions| {
        options.custom_flags(libc::O_NONBLOCK).open(KERNEL_LOG).inspect_err(|why| {
            tools::skip(&format!("{KERNEL_LOG} cannot be opened: {why}"));
        })
    };
    let (Ok(mut log), Ok(own)) =
        (open(OpenOptions::new().read(true)), open(OpenOptions::new().write(true)))
    else {
        return;
    };
    drop(own);
    // What is not ours to read: all that was logged before.
    log.seek(SeekFrom::End(0)).expect("the log's end");
    let story = Story::new();
    let command = format!("/no/such/{}", std::process::id());
    let mut container = Container::lastout(&story, &[&command])
        .with(|it| {
            // Blocking, as whoever starts lastout would give it.
            let log = OpenOptions::new().write(true).open(KERNEL_LOG);
            it.stderr(Stdio::from(log.expect("the kernel's log")));
        })
        .start();
    assert_eq!(container.wait(), 127);
    // One read is one entry. EPIPE: some were lost meanwhile; EAGAIN: these were all.
    let mut entry = [0; 8192];
    let mut told = String::new();
    loop {
        match log.read(&mut entry) {
            Ok(length) => told.push_str(&String::from_utf8_lossy(&entry[..length])),
            Err(why) if why.raw_os_error() == Some(libc::EPIPE) => (),
            Err(why) if why.kind() == ErrorKind::WouldBlock => break,
            Err(why) => panic!("{KERNEL_LOG}: {why}"),
        }
    }
    assert!(told.contains(&format!("lastout: cannot run {command}")), "{told}");
}

#[test]
fn a_stderr_pipe_whose_reader_is_gone() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (reader, writer) = pipe();
    drop(reader);
    // The failed writes must not become PIPEs for the main child.
    let words = ["-v", teller(), "main", "take", "TERM", "300", "exit", "5"];
    let mut container = Container::lastout(&story, &words)
        .with(|command| {
            command.stderr(Stdio::from(writer));
        })
        .start();
    story.wait_for("main started");
    for _ in 0..20 {
        container.signal(libc::SIGUSR1);
    }
    story.wait_for("main got USR1");
    container.signal(libc::SIGPIPE);
    story.wait_for("main got PIPE");
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 5);
    assert_eq!(story.count("main got PIPE"), 1, "only the one that was sent: {:?}", story.lines());
}

#[test]
fn stderr_is_a_file_that_others_write_to() {
    if !available() {
        return;
    }
    let story = Story::new();
    let path = story.directory().join("log");
    let log = std::fs::File::create(&path).expect("a log");
    let mut container = Container::lastout(&story, &["-v", "sh", "-c", "echo mine >&2; exit 5"])
        .with(|command| {
            command.stderr(Stdio::from(log));
        })
        .start();
    assert_eq!(container.wait(), 5);
    let text = std::fs::read_to_string(path).expect("the log");
    assert!(text.starts_with("lastout: # lastout 1"), "{text}");
    assert!(text.contains("\nmine\n") && text.contains("exit 5"), "{text}");
}

#[test]
fn stderr_is_a_socket() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
    let mut container = Container::lastout(&story, &["-v", "sh", "-c", "exit 5"])
        .with(|command| {
            command.stderr(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
        })
        .start();
    assert_eq!(container.wait(), 5);
    let text = std::io::read_to_string(ours).expect("the words");
    assert!(text.contains("reaped 2 exit 5"), "{text}");
}

#[test]
fn a_main_child_that_wants_to_be_traced() {
    if !available() {
        return;
    }
    let story = Story::new();
    // With a handler: a blocked signal is taken with no stop before it.
    let traced = ["traceme", "handle", "USR1", "raise", "USR1", "tell", "handled"];
    let words =
        [&["--", teller(), "main"], &traced[..], &["take", "TERM", "0", "exit", "7"]].concat();
    let mut container = Container::lastout(&story, &words).start();
    story.wait_for("main handled");
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 7);
    let record = container.record();
    assert!(record.contains("trapped 2 USR1 "), "it stood still before its signal:\n{record}");
}

#[test]
fn a_traced_main_child_that_executes_another_program() {
    if !available() {
        return;
    }
    let story = Story::new();
    let words = [teller(), "main", "traceme", "run", "sh", "-c", "exit 7"];
    assert_eq!(Container::lastout(&story, &words).start().wait(), 7);
}

#[test]
fn an_orphan_that_wants_to_be_traced() {
    if !available() {
        return;
    }
    let story = Story::new();
    // The daemon is lastout's child by the time it asks: its parent has ended.
    let orphan = "orphan sleep 200 traceme default USR1 raise USR1 forever";
    let words = [
        teller(),
        "main",
        "spawn",
        "D",
        orphan,
        "spawn",
        "D",
        "worker take TERM 100 finish exit 0",
        "take",
        "TERM",
        "0",
        "exit",
        "7",
    ];
    let mut container = Container::lastout(&story, &words).start();
    story.wait_for("main started");
    // It dies of the signal that it stood before.
    let orphan = story.wait_for("orphan started");
    let pid: i32 = Story::value(&orphan, "pid").parse().expect("a pid");
    until(|| !container.processes().iter().any(|p| p.1 == pid), || "the orphan's end".into());
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 7);
    assert_eq!(story.count("worker finished"), 1);
}

#[test]
fn a_main_child_that_lastout_may_not_signal() {
    if !available() {
        return;
    }
    let story = Story::new();
    // Without CAP_KILL root may not signal another user's process (K66).
    let words = [
        "--drain-grace",
        "200ms",
        "--last-call",
        "100ms",
        "--kill-grace",
        "200ms",
        teller(),
        "main",
        "spawn",
        "D",
        "stranger user 1000 forever",
        "spawn",
        "D",
        "worker take TERM 50 finish exit 0",
        "until",
        "go",
        "exit",
        "7",
    ];
    let mut container = Container::lastout(&story, &words)
        .prepared(|| {
            // SAFETY: numbers only.
            let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, 5, 0, 0, 0) };
            if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        })
        .start();
    story.wait_for("main started");
    let start = Instant::now();
    story.release("go");
    assert_eq!(container.wait(), 7);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(story.count("stranger asked TERM"), 0);
    assert_eq!(story.count("worker finished"), 1);
    let told = container.stderr();
    assert!(told.contains("is still here 0.2s after SIGKILL"), "{told}");
}

#[test]
fn no_process_to_be_had() {
    if !available() {
        return;
    }
    let story = Story::new();
    // The limit of processes counts only for others than root.
    let mut container = Container::lastout(&story, &["true"])
        .with(|command| {
            use std::os::unix::process::CommandExt;
            command.uid(64_321);
        })
        .prepared(|| {
            let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
            // SAFETY: the structure is ours.
            let result = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) };
            if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        })
        .without_mounts()
        .start();
    assert_eq!(container.wait(), 125);
    let told = container.stderr();
    assert!(told.contains("cannot run true: no more processes are allowed"), "{told}");
}

#[test]
fn signals_in_a_flood_do_not_put_off_the_end() {
    if !available() {
        return;
    }
    let story = Story::new();
    let flood = "trap '' TERM USR1; while :; do kill -USR1 1; done";
    let script = format!("trap '' USR1; (exec sh -c \"{flood}\") & sleep 0.2; exit 4");
    let words = ["--drain-grace", "500ms", "sh", "-c", &script];
    let start = Instant::now();
    let mut container = Container::lastout(&story, &words).start();
    assert_eq!(container.wait(), 4);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(container.stderr().contains("killing"), "{}", container.stderr());
}
