//! What the main child finds when it starts, what lastout keeps, and what it says of a main
//! child that cannot be started.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};

use lastout_tests::container::{Container, Running, available, pipe, until};
use lastout_tests::story::Story;
use lastout_tests::tools;
use nix::sys::signal::Signal;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

fn own_session() -> std::io::Result<()> {
    nix::unistd::setsid()?;
    Ok(())
}

/// What the main child reports of itself, and lastout while it runs.
fn reported(change: impl FnOnce(Container) -> Container) -> (Story, Running) {
    let story = Story::new();
    let arguments = [teller(), "main", "report", "forever"];
    let running = change(Container::lastout(&story, &arguments)).start();
    story.wait_for("main reported");
    (story, running)
}

#[test]
fn the_mask_and_the_ignored_signals_are_as_lastout_found_them() {
    if !available() {
        return;
    }
    let ignored = [Signal::SIGTERM, Signal::SIGPIPE, Signal::SIGHUP, Signal::SIGCHLD];
    let story = Story::new();
    // Not a teller, which changes its mask first.
    let show = "grep -E '^Sig(Blk|Ign)' /proc/self/status";
    let blocked = Container::lastout(&story, &["sh", "-c", &format!("exec {show}")]);
    let mut blocked = blocked.with_all_blocked().with_ignored(&ignored).start();
    assert_eq!(blocked.wait(), 0);
    let direct =
        Container::program("/bin/grep", &story, &["-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
    let mut direct = direct.with_all_blocked().with_ignored(&ignored).start();
    assert_eq!(direct.wait(), 0);
    assert!(direct.stdout().contains("15001"), "CHLD was ignored: {}", direct.stdout());
    let without_chld = direct.stdout().replace("15001", "05001");
    assert_eq!(blocked.stdout(), without_chld);
}

#[test]
fn it_has_a_process_group_of_its_own_in_lastouts_session() {
    if !available() {
        return;
    }
    let (story, running) = reported(|c| c.prepared(own_session));
    let line = story.wait_for("main started");
    assert_eq!(Story::value(&line, "pid"), Story::value(&line, "pgid"));
    assert_eq!(Story::value(&line, "sid"), "1");
    drop(running);
}

#[test]
fn with_session_it_has_a_session_of_its_own() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut running =
        Container::lastout(&story, &["--session", teller(), "main", "exit", "0"]).start();
    assert_eq!(running.wait(), 0);
    let line = story.wait_for("main started");
    assert_eq!(Story::value(&line, "pid"), Story::value(&line, "sid"));
}

#[test]
fn it_inherits_descriptors_and_directory_and_lastout_keeps_neither() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (reader, writer) = pipe();
    let inherited = writer.as_raw_fd();
    let running = Container::lastout(&story, &[teller(), "main", "report", "forever"])
        .unrecorded("counts descriptors")
        .with(|command| {
            command.current_dir("/usr");
        })
        .prepared(move || {
            // SAFETY: numbers only; 9 is nobody's in the new process. It may be the pipe's already: then
            // nothing is copied, and it would be closed on exec.
            unsafe {
                libc::dup2(inherited, 9);
                libc::fcntl(9, libc::F_SETFD, 0);
            }
            Ok(())
        })
        .start();
    drop(writer);
    story.wait_for("main reported");
    let fds = story.wait_for("main fds");
    assert!(fds.split([' ', ',', ']']).any(|fd| fd == "9"), "{fds}");
    assert_eq!(story.wait_for("main cwd"), "main cwd /usr");
    let proc = format!("/proc/{}", running.pid());
    let kept = || {
        let entries = fs::read_dir(format!("{proc}/fd")).expect("its descriptors");
        let names = entries.map(|e| e.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|n| n.into_string().expect("a number")).collect();
        names.sort();
        names
    };
    // It lets go once it runs again, when the main child may be on its way for long.
    until(|| kept() == ["0", "1", "2"], || format!("no more than 0, 1, 2: {:?}", kept()));
    let directory = || fs::read_link(format!("{proc}/cwd")).expect("its directory");
    until(|| directory().as_os_str() == "/", || format!("/, not {:?}", directory()));
    drop(running);
    drop(reader);
}

#[test]
fn listen_pid_is_corrected_when_it_names_lastout_and_only_then() {
    if !available() {
        return;
    }
    for (given, expected) in [("1", "2"), ("77", "77")] {
        let (story, running) = reported(|c| {
            c.with(|command| {
                command.env("LISTEN_PID", given).env("LISTEN_FDS", "1");
            })
        });
        assert_eq!(story.wait_for("main LISTEN_PID"), format!("main LISTEN_PID {expected}"));
        drop(running);
    }
}

/// Runs lastout with these arguments; its exit code and its words.
fn run(arguments: &[&str], path: &str) -> (i32, String, String) {
    run_as(arguments, path, |container| container)
}

fn run_as(
    arguments: &[&str],
    path: &str,
    change: impl FnOnce(Container) -> Container,
) -> (i32, String, String) {
    let story = Story::new();
    let container = Container::lastout(&story, arguments).with(|command| {
        command.env("PATH", path);
    });
    let mut running = change(container).start();
    let code = running.wait();
    (code, running.stdout(), running.stderr())
}

#[test]
fn a_main_child_that_cannot_be_started_is_told_with_name_and_reason() {
    if !available() {
        return;
    }
    let story = Story::new();
    let directory = story.directory().to_str().expect("a readable path").to_owned();
    let file = |name: &str, text: &str, mode: u32| {
        let path = format!("{directory}/{name}");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        path
    };
    let not_executable = file("not-executable", "exit 0", 0o644);
    let no_interpreter = file("no-interpreter", "#!/nonexistent/python\n", 0o755);
    let other_machine = file("other-machine", "\x7fELF\x02\x01\x01 not really", 0o755);
    let loop_ = format!("{directory}/loop");
    symlink("loop", &loop_).expect("a link");
    for (command, code, says) in [
        ("nosuch", 127, &["nosuch", "not found in PATH (/bin:/usr/bin)"][..]),
        ("/no/such", 127, &["/no/such", "no such file"]),
        (&format!("{not_executable}/x"), 127, &["not a directory"]),
        (&no_interpreter, 127, &["no-interpreter", "interpreter"]),
        (&not_executable, 126, &["not-executable", "permission denied", "chmod +x"]),
        ("/usr", 126, &["/usr", "permission denied", "is it a file"]),
        (&other_machine, 126, &["other-machine", "another processor"]),
        (&loop_, 126, &["symbolic links"]),
    ] {
        let (got, _, words) = run(&[command], "/bin:/usr/bin");
        assert_eq!(got, code, "{command}: {words}");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(words.starts_with("lastout: cannot run "), "{words}");
        for part in says {
            assert!(words.contains(part), "{command}: {words}");
        }
    }
}

#[test]
fn a_programs_own_126_and_127_are_silent() {
    if !available() {
        return;
    }
    for code in ["125", "126", "127"] {
        let (got, _, words) = run(&["sh", "-c", &format!("exit {code}")], "/bin");
        assert_eq!((got.to_string().as_str(), words.as_str()), (code, ""));
    }
}

#[test]
fn bad_usage_is_125_and_says_how_to_do_it_right() {
    if !available() {
        return;
    }
    let told = |arguments: &[&str]| run_as(arguments, "/bin", |c| c.unrecorded("no life"));
    for arguments in
        [&[][..], &["--drain-grace", "5"], &["--strange", "true"], &["--forward=us", "true"]]
    {
        let (code, out, words) = told(arguments);
        assert_eq!((code, out.as_str()), (125, ""), "{arguments:?}");
        assert_eq!(words.lines().count(), 2, "{words}");
        assert!(words.contains("lastout --help"), "{words}");
    }
    let (code, out, words) = told(&["--help"]);
    assert_eq!((code, words.as_str()), (0, ""));
    assert!(out.contains("--drain-grace"), "{out}");
    let (code, out, _) = told(&["-V"]);
    assert_eq!((code, out.trim()), (0, concat!("lastout ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_script_without_a_first_line_runs_with_sh_and_gets_its_arguments() {
    if !available() {
        return;
    }
    let story = Story::new();
    let directory = story.directory().to_str().expect("a readable path");
    let script = format!("{directory}/script");
    fs::write(&script, "echo \"$0|$1|$2|$#\"\nexit 8\n").expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    for (command, path) in [(script.as_str(), "/bin"), ("script", directory)] {
        let (code, out, words) = run(&[command, "a b", "c"], path);
        assert_eq!((code, words.as_str()), (8, ""));
        assert_eq!(out.trim(), format!("{script}|a b|c|2"));
    }
}

#[test]
fn options_end_at_the_command() {
    if !available() {
        return;
    }
    let (code, out, words) = run(&["echo", "-v", "--help", "--", "-q"], "/bin");
    assert_eq!((code, out.trim(), words.as_str()), (0, "-v --help -- -q", ""));
}

#[test]
fn an_option_can_be_given_in_the_environment() {
    if !available() {
        return;
    }
    let story = Story::new();
    let container = Container::lastout(&story, &["sh", "-c", "exit 3"]).with(|command| {
        command.env("LASTOUT_REMAP_EXIT", "3:4").env("LASTOUT_VERBOSE", "1");
    });
    let mut running = container.start();
    assert_eq!(running.wait(), 4);
    assert!(running.stderr().contains("reaped 2 exit 3"), "{}", running.stderr());
}
