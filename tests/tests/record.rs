//! `--record`: a real life replays; whoever does not read it, or has no room for it, neither
//! holds lastout up nor goes unnoticed in it; the main child sees nothing of it; and the simulated
//! world admits what Linux did.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lastout_core::replay::{FaultKind, check};
use lastout_core::{Entry, Gap, Policy, Role};
use lastout_sim::admits::{Premises, Verdict, admits};
use lastout_tests::container::{Container, Running, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;
use nix::fcntl::{FcntlArg, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

/// Why the harness does not record these lives as it does all others: they do so themselves.
const WHY: &str = "--record is what it is about";

fn lastout(story: &Story, words: &[&str]) -> Container {
    Container::lastout(story, words).unrecorded(WHY)
}

/// A place for the record beside the story.
fn place(story: &Story) -> (PathBuf, String) {
    let path = story.directory().join("life.log");
    let text = path.to_str().expect("a readable path").to_owned();
    (path, text)
}

/// A main child that takes any number of signals and leaves with 5 when it is asked.
fn patient(record: &str) -> [&str; 9] {
    ["--record", record, teller(), "main", "take", "TERM", "0", "exit", "5"]
}

/// Sends so many USR1, one by one: who has got the last one has been told of by then. With
/// those before there are `sum`.
fn poke(container: &Running, story: &Story, count: usize, sum: usize) {
    for sent in sum - count + 1..=sum {
        container.signal(libc::SIGUSR1);
        story.wait_for_count("main got USR1", sent);
    }
}

/// The steps that are told, and the number of those that are said to be missing.
fn steps_and_missing(text: &str) -> (usize, usize) {
    let steps = text.lines().filter(|l| l.parse::<Entry>().is_ok()).count();
    let gaps = text.lines().filter_map(|l| l.parse().ok());
    (steps, gaps.map(|Gap(lost)| usize::try_from(lost).expect("a number")).sum())
}

/// Linux did it, so the simulated world has to be large enough for it, with nothing assumed.
fn admitted(text: &str) {
    match admits(text) {
        Ok(Verdict::Admitted { premises } | Verdict::ToGap { premises, .. }) => {
            assert_eq!(premises, Premises::default(), "{text}");
        }
        other => panic!("{other:?} of what Linux did:\n{text}"),
    }
}

/// The record is true in every byte, it leaves with that code, and it is admitted.
#[track_caller]
fn leaves_with(text: &str, code: Option<u8>) {
    assert_eq!(check(text), Ok(code), "{text}");
    admitted(text);
}

fn gap_in(text: &str) -> usize {
    admitted(text);
    match check(text).map_err(|fault| fault.kind) {
        Err(FaultKind::Gap(lost)) => usize::try_from(lost).expect("a number"),
        other => panic!("no gap but {other:?} in:\n{text}"),
    }
}

// ---------------------------------------------------------------------------------- it replays

const WORKER: &str = "worker take TERM 100 finish exit 0";
const DEAF: &str = "deaf ignore TERM forever";

/// A life with a stop, a drain that one needs and another oversleeps, and a kill.
fn whole_life(record: &str) -> Vec<&str> {
    let graces = ["--record", record, "--drain-grace", "300ms", "--last-call", "100ms"];
    let main = [teller(), "main", "spawn", "D", WORKER, "spawn", "D", DEAF];
    [&graces[..], &main, &["take", "TERM", "0", "exit", "7"]].concat()
}

/// Its record, which has to be true in every byte.
fn replayed(path: &Path, role: Role, everybody: &str) {
    let record = fs::read_to_string(path).expect("the record");
    leaves_with(&record, Some(7));
    let policy: Policy = record.lines().next().expect("a line").parse().expect("the policy");
    assert_eq!(policy.role, role);
    for told in ["signal TERM ", &format!("kill {everybody} TERM"), "say killing", "-> exit 7\n"] {
        assert!(record.contains(told), "no {told:?}:\n{record}");
    }
    // All ticks are there, though they are the same: eight, or fewer if some were late.
    let time = ticked(&record);
    assert!(time >= 400, "{time} ms:\n{record}");
}

/// How long the ticks of a record took together, in ms: what was set, and how late each was.
fn ticked(record: &str) -> u32 {
    let ms = |text: &str| text.split("ms").next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let (mut set, mut whole) = (0, 0);
    for line in record.lines() {
        if line.starts_with("alarm") {
            whole += set + line.strip_prefix("alarm late ").map_or(0, ms);
        }
        set =
            line.split_once("-> ").and_then(|l| l.1.split_once("alarm ")).map_or(set, |l| ms(l.1));
    }
    whole
}

#[test]
fn a_life_with_stop_drain_and_kill_is_recorded_and_replays() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (path, record) = place(&story);
    fs::write(&path, "what was there before\n".repeat(1000)).expect("an old record");
    let mut container = lastout(&story, &whole_life(&record)).start();
    story.wait_for("main started");
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 7, "{}", container.stderr());
    assert_eq!(story.count("worker finished"), 1);
    replayed(&path, Role::Pid1, "all");
}

#[test]
fn as_a_subreaper_too() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (path, record) = place(&story);
    let mut container = Container::below_pid1(&story, &whole_life(&record)).unrecorded(WHY).start();
    let line = story.wait_for("main started");
    let lastout = Story::value(&line, "ppid").parse().expect("a pid");
    let lastout = container.outside(lastout);
    // SAFETY: numbers only; its parent in the container reaps it after this.
    assert_eq!(unsafe { libc::kill(lastout, libc::SIGTERM) }, 0);
    assert_eq!(container.wait(), 7, "{}", container.stderr());
    replayed(&path, Role::Subreaper, "descendants");
}

#[test]
fn a_main_child_that_cannot_be_started_is_recorded_too() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (path, record) = place(&story);
    assert_eq!(lastout(&story, &["--record", &record, "/no/such"]).start().wait(), 127);
    let record = fs::read_to_string(path).expect("the record");
    leaves_with(&record, Some(127));
}

#[test]
fn of_a_life_that_is_killed_there_is_what_happened_until_then() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (path, record) = place(&story);
    let mut container = lastout(&story, &patient(&record)).start();
    story.wait_for("main started");
    poke(&container, &story, 3, 3);
    container.signal(libc::SIGKILL);
    assert_eq!(container.wait(), 137);
    let record = fs::read_to_string(path).expect("the record");
    leaves_with(&record, None);
    assert_eq!(record.matches("signal USR1 ").count(), 3, "{record}");
}

// -------------------------------------------------------------------------------- nobody waits

/// A FIFO that takes one page, and its reader, which never waits.
fn small_fifo(path: &Path) -> File {
    nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o600)).expect("a FIFO");
    let reader = reader_of(path);
    fcntl(&reader, FcntlArg::F_SETPIPE_SZ(4096)).expect("a small pipe");
    reader
}

fn reader_of(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK).open(path).expect("a reader")
}

/// What is in it now.
fn contents(reader: &mut File) -> String {
    let mut bytes = Vec::new();
    // Empty is an error here (EAGAIN); what came before it is in the bytes.
    let _ = reader.read_to_end(&mut bytes);
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_up_and_what_it_missed_is_counted() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (path, record) = place(&story);
    let mut reader = small_fifo(&path);
    let mut container = lastout(&story, &patient(&record)).start();
    story.wait_for("main started");
    poke(&container, &story, 150, 150);
    let mut text = contents(&mut reader);
    assert!(text.len() <= 4096 && text.ends_with('\n'), "whole lines only:\n{text}");
    poke(&container, &story, 1, 151);
    let behind = contents(&mut reader);
    assert!(behind.starts_with("# gap "), "{behind}");
    assert_eq!(behind.lines().count(), 2, "the gap, and the step that was written again: {behind}");
    text += &behind;
    let (steps, missing) = steps_and_missing(&text);
    // Before the signals there were `spawned` and `none-ready`.
    assert_eq!(steps + missing, 2 + 151, "{text}");
    assert!(missing > 10, "{missing}");
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 5);
    text += &contents(&mut reader);
    assert!(text.ends_with("-> exit 5\n"), "{text}");
    assert_eq!(gap_in(&text), missing);
}

#[test]
fn a_reader_that_is_gone_harms_nobody_and_may_come_back() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (path, record) = place(&story);
    let mut reader = small_fifo(&path);
    let mut container = lastout(&story, &patient(&record)).start();
    story.wait_for("main started");
    poke(&container, &story, 1, 1);
    let mut text = contents(&mut reader);
    drop(reader);
    // Processes that other tests are starting have it, too, until they execute their programs.
    let mut writer = OpenOptions::new();
    writer.write(true).custom_flags(libc::O_NONBLOCK);
    let is_gone = || writer.open(&path).is_err_and(|e| e.raw_os_error() == Some(libc::ENXIO));
    until(is_gone, || "the end of all readers".into());
    poke(&container, &story, 20, 21);
    // The failed writes must not become PIPEs for the main child, and this is none of them.
    container.signal(libc::SIGPIPE);
    story.wait_for("main got PIPE");
    let mut reader = reader_of(&path);
    poke(&container, &story, 1, 22);
    text += &contents(&mut reader);
    assert_eq!(gap_in(&text), 21, "20 USR1 and the PIPE: {text}");
    drop(reader);
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 5);
    assert_eq!(story.count("main got PIPE"), 1, "only the one that was sent: {:?}", story.lines());
    assert_eq!(container.stderr(), "");
}

/// Gives it that limit for files that it writes.
fn limit_files(container: &Running, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    let pid = container.pid().as_raw();
    // SAFETY: the limit is ours; the old one is not asked for.
    let result =
        unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_line_that_is_cut_short_is_ended_and_counted_and_its_xfsz_is_nobodys() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (path, record) = place(&story);
    let mut container = lastout(&story, &patient(&record)).start();
    story.wait_for("main started");
    let text = || fs::read_to_string(&path).expect("the record");
    until(|| text().contains("none-ready"), || format!("the start, not {}", text()));
    let before = text();
    limit_files(&container, before.len() as u64 + 10);
    poke(&container, &story, 3, 3);
    assert_eq!(text(), format!("{before}signal USR"));
    limit_files(&container, libc::RLIM_INFINITY);
    container.signal(libc::SIGXFSZ);
    story.wait_for("main got XFSZ");
    let expected = "signal USR\n# gap 3\nsignal XFSZ            -> kill 2 XFSZ; wait\n";
    assert_eq!(text(), format!("{before}{expected}"));
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 5);
    assert_eq!(story.count("main got XFSZ"), 1, "only the one that was sent: {:?}", story.lines());
    assert_eq!(gap_in(&text()), 3);
    assert!(text().ends_with("-> exit 5\n"), "{}", text());
}

#[test]
fn a_full_file_system_stops_no_life_and_when_there_is_room_again_the_record_goes_on() {
    if !available() {
        return;
    }
    let story = Story::new();
    let volume = story.directory().join("volume");
    fs::create_dir(&volume).expect("a directory");
    let record = volume.join("life.log").to_str().expect("a readable path").to_owned();
    let place = volume.clone();
    let container = lastout(&story, &patient(&record)).prepared(move || {
        // Two pages: one for the record, one for somebody else.
        let none = MsFlags::empty();
        mount(Some("tmpfs"), &place, Some("tmpfs"), none, Some("size=8k"))?;
        Ok(())
    });
    let mut container = container.start();
    story.wait_for("main started");
    // Its mounts are its own: through its root.
    let inside = |path: &Path| {
        let below = path.strip_prefix("/").expect("an absolute path");
        Path::new(&format!("/proc/{}/root", container.pid())).join(below)
    };
    let mut file = File::open(inside(Path::new(&record))).expect("the record");
    let other = inside(&volume.join("other"));
    fs::write(&other, [b'x'; 4096]).expect("the other page");
    poke(&container, &story, 150, 150);
    assert_eq!(file.metadata().expect("its size").len(), 4096, "all that there was room for");
    fs::remove_file(&other).expect("room");
    poke(&container, &story, 1, 151);
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 5);
    let mut text = String::new();
    file.read_to_string(&mut text).expect("the record");
    assert!(gap_in(&text) > 10, "{text}");
    assert!(text.ends_with("-> exit 5\n"), "{text}");
    assert_eq!(container.stderr(), "");
}

#[test]
fn a_record_for_which_there_never_is_room_stops_no_life() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container = lastout(&story, &patient("/dev/full")).start();
    story.wait_for("main started");
    poke(&container, &story, 3, 3);
    container.signal(libc::SIGTERM);
    assert_eq!((container.wait(), container.stderr().as_str()), (5, ""));
}

// ------------------------------------------------------------------------------------ the file

#[test]
fn a_file_that_cannot_be_opened_is_told_and_nothing_is_started() {
    if !available() {
        return;
    }
    let story = Story::new();
    let directory = story.directory().to_str().expect("a readable path").to_owned();
    let fifo = format!("{directory}/fifo");
    nix::unistd::mkfifo(Path::new(&fifo), Mode::from_bits_truncate(0o600)).expect("a FIFO");
    let below_a_file = format!("{directory}/story/life.log");
    let long = format!("{directory}/{}", "x".repeat(300));
    let longer = "x/".repeat(3000);
    for (file, says) in [
        (fifo.as_str(), "nobody reads from it; if it is a FIFO start the reader first"),
        ("/no/such/life.log", "there is no such directory"),
        (&directory, "it is a directory"),
        (&below_a_file, "not a directory"),
        (&long, "the name is too long"),
        (&longer, "the name is too long"),
    ] {
        let words = ["--record", file, teller(), "main", "exit", "0"];
        let mut container = lastout(&story, &words).start();
        assert_eq!(container.wait(), 125, "{file}");
        let told = container.stderr();
        assert!(told.starts_with("lastout: cannot record to "), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        // Of a line as long as the last name there is room for its beginning.
        if file.len() < 1000 {
            assert!(told.contains(file) && told.contains(says), "{told}");
            assert!(told.ends_with("nothing was started\n"), "{told}");
        }
    }
    assert_eq!(story.lines(), [""; 0], "nobody was started");
}

#[test]
fn a_file_is_found_from_where_lastout_was_started_and_made_for_others_to_read() {
    if !available() {
        return;
    }
    let story = Story::new();
    let directory = story.directory().to_owned();
    let words = [teller(), "main", "take", "TERM", "0", "exit", "5"];
    let container = lastout(&story, &words).with(|command| {
        command.current_dir(&directory).env("LASTOUT_RECORD", "life.log");
    });
    let mut container = container
        .prepared(|| {
            nix::sys::stat::umask(Mode::empty());
            Ok(())
        })
        .start();
    story.wait_for("main started");
    let own = format!("/proc/{}/cwd", container.pid());
    let gone = || fs::read_link(&own).is_ok_and(|path| path == Path::new("/"));
    until(gone, || "lastout's way to /".into());
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 5);
    let path = directory.join("life.log");
    let record = fs::read_to_string(&path).expect("the record");
    leaves_with(&record, Some(5));
    let mode = fs::metadata(&path).expect("its mode").permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn a_lastout_below_has_a_record_of_its_own_or_none() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (path, record) = place(&story);
    let below = story.directory().join("below.log");
    let program = tools::lastout().to_str().expect("a readable path");
    let (main, exit) = ([program, teller(), "main"], ["take", "TERM", "0", "exit", "5"]);
    // Named by the variable; then on the command line as well; and the one below has one of its own.
    let own = ["--record", &record, "env", &format!("LASTOUT_RECORD={}", below.display())];
    for words in [&[][..], &["--record", &record], &own] {
        let words = [words, &main, &exit].concat();
        let container = lastout(&story, &words).with(|command| {
            command.env("LASTOUT_RECORD", &path);
        });
        let told = story.count("main started");
        let mut container = container.start();
        story.wait_for_count("main started", told + 1);
        container.signal(libc::SIGTERM);
        assert_eq!(container.wait(), 5);
        leaves_with(&fs::read_to_string(&path).expect("the record"), Some(5));
        assert_eq!(below.exists(), words.contains(&"env"), "{words:?}");
    }
    leaves_with(&fs::read_to_string(below).expect("the other's record"), Some(5));
}

#[test]
fn the_main_child_has_no_such_descriptor_and_lastout_no_other() {
    if !available() {
        return;
    }
    let story = Story::new();
    let (path, record) = place(&story);
    let program = tools::lastout().to_str().expect("a readable path");
    // Two that are inherited, one on each side of the record's.
    let script = r#"exec "$0" "$@" 3</dev/null 9</dev/null"#;
    let words = ["-c", script, program, "--record", &record, teller(), "main"];
    let words = [&words[..], &["report", "take", "TERM", "0", "exit", "5"]].concat();
    let mut container = Container::program("/bin/sh", &story, &words).unrecorded(WHY).start();
    story.wait_for("main reported");
    let own = format!("/proc/{}/fd", container.pid());
    // The tests themselves may have been started with more.
    let kept = || -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(&own).expect("its descriptors").flatten();
        let number = |name: OsString| name.into_string().expect("a number");
        let file = |path: PathBuf| fs::read_link(path).unwrap_or_default();
        entries.map(|e| (number(e.file_name()), file(e.path()))).collect()
    };
    until(|| kept().len() == 4, || format!("0, 1, 2 and the record's, not {:?}", kept()));
    let of_record: Vec<_> = kept().into_iter().filter(|(_, file)| *file == path).collect();
    assert_eq!(of_record.len(), 1, "{:?}", kept());
    let fds = story.wait_for("main fds");
    let has = |number: &str| fds.split([' ', ',', '[', ']']).any(|fd| fd == number);
    assert!(has("3") && has("9") && !has(&of_record[0].0), "{of_record:?}, {fds}");
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 5);
    let record = fs::read_to_string(path).expect("the record");
    leaves_with(&record, Some(5));
}

#[test]
fn where_stderr_is_closed_the_record_does_not_take_its_place() {
    if !available() {
        return;
    }
    for closed in [&[2][..], &[1, 2], &[0, 1, 2]] {
        let story = Story::new();
        let (path, record) = place(&story);
        // The words of -v would be in it.
        let words = ["-v", "--record", &record, "sh", "-c", "exit 5"];
        let mut container = lastout(&story, &words).with_closed(closed).start();
        assert_eq!(container.wait(), 5);
        let record = fs::read_to_string(path).expect("the record");
        leaves_with(&record, Some(5));
    }
}
