//! lastout in containers of runc and crun, with no engine above them: started, entered, paused,
//! signalled and deleted by the runtime itself, from a root of two static files.
//!
//! crun is called through `.ci/crun`, which makes it work beside old cgroups. Another runtime
//! that has their command line takes their place if `LASTOUT_RUNTIME` names it (`.ci/gvisor`).

use std::cell::Cell;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lastout_tests::container::{available, fill, pipe, until};
use lastout_tests::record::{End, Record, Recording};
use lastout_tests::story::Story;
use lastout_tests::tools;

/// The runtimes that are here; says which are not.
fn runtimes() -> Vec<PathBuf> {
    if !available() {
        return Vec::new();
    }
    if let Some(other) = std::env::var_os("LASTOUT_RUNTIME") {
        return vec![other.into()];
    }
    let crun = tools::needed("crun").map(|_| tools::workspace().join(".ci/crun"));
    [tools::needed("runc"), crun].into_iter().flatten().collect()
}

/// A bundle in the story's directory, and the container that is made of it.
struct Bundle<'s> {
    runtime: &'s Path,
    directory: PathBuf,
    name: String,
    record: Record,
    /// What it left with, if it ran in the foreground; of a detached one the runtime does not tell.
    code: Cell<Option<i32>>,
}

impl<'s> Bundle<'s> {
    fn new(runtime: &'s Path, story: &Story, command: &[&str]) -> Self {
        let directory = story.directory().join("bundle");
        let root = directory.join("root");
        for place in ["dev", "proc", "story"] {
            fs::create_dir_all(root.join(place)).expect("a directory");
        }
        for (from, to) in [(tools::lastout(), "lastout"), (tools::teller(), "teller")] {
            fs::copy(from, root.join(to)).expect("a program");
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(root.join(to), executable).expect("chmod");
        }
        let words: Vec<String> =
            ["/lastout", "--"].iter().chain(command).map(|w| format!("{w:?}")).collect();
        let record = Record::new(story.directory(), Recording::Must);
        let place = record.path().and_then(Path::file_name).expect("a name").display();
        let configuration = format!(
            r#"{{
              "ociVersion": "1.0.2",
              "process": {{
                "terminal": false, "cwd": "/", "user": {{ "uid": 0, "gid": 0 }},
                "args": [{}],
                "env": ["STORY=/story/story", "TELLER=/teller", "LASTOUT_RECORD=/story/{place}"],
                "capabilities": {{ "bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"] }}
              }},
              "root": {{ "path": "root", "readonly": true }},
              "mounts": [
                {{ "destination": "/proc", "type": "proc", "source": "proc" }},
                {{ "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }},
                {{ "destination": "/story", "type": "bind", "source": "{}", "options": ["bind", "rw"] }}
              ],
              "linux": {{ "namespaces": [{{ "type": "pid" }}, {{ "type": "mount" }}, {{ "type": "ipc" }}, {{ "type": "uts" }}] }}
            }}"#,
            words.join(", "),
            story.directory().display(),
        );
        fs::write(directory.join("config.json"), configuration).expect("its configuration");
        let own = story.directory().file_name().expect("a name").to_string_lossy().into_owned();
        Self { runtime, directory, name: own, record, code: Cell::new(None) }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.runtime);
        command.arg("--root").arg(self.directory.join("state")).args(words);
        command.current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    /// `RUNTIME WORDS NAME MORE`, which must succeed. Its output goes to a file: a container that
    /// stays would keep a pipe open.
    fn does(&self, words: &[&str], more: &[&str]) {
        let log = self.directory.join("log");
        let file = fs::File::create(&log).expect("a log");
        let mut command = self.command(&[words, &[&self.name], more].concat());
        command.stdout(file.try_clone().expect("dup")).stderr(file);
        let status = command.status().expect("the runtime runs");
        let said = fs::read_to_string(log).unwrap_or_default();
        assert!(status.success(), "{words:?} {more:?}: {status}: {said}");
    }

    fn runs(&self) -> Output {
        let output = self.command(&["run", &self.name]).output().expect("the runtime runs");
        self.code.set(output.status.code());
        output
    }

    fn wait_until_stopped(&self) {
        until(
            || {
                let state = self.command(&["state", &self.name]).output().expect("it runs");
                let text = String::from_utf8_lossy(&state.stdout).replace(' ', "");
                text.contains(r#""status":"stopped""#)
            },
            || format!("the end of {}", self.name),
        );
    }
}

impl Drop for Bundle<'_> {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force", &self.name]).output();
        if !std::thread::panicking() {
            self.record.judge(self.code.get().map_or(End::Untold, End::Code));
        }
    }
}

const WORKER: &str = "worker take TERM 300 finish exit 0";

#[test]
fn an_orphan_is_asked_and_the_exit_code_is_the_main_childs() {
    for runtime in runtimes() {
        let story = Story::new();
        let main = ["/teller", "main", "spawn", "D", WORKER, "exit", "7"];
        let bundle = Bundle::new(&runtime, &story, &main);
        let output = bundle.runs();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(7), "{}: {said}", runtime.display());
        assert_eq!(story.count("worker asked TERM"), 1, "{:?}", story.lines());
        assert_eq!(story.count("worker finished"), 1);
    }
}

#[test]
fn a_detached_container_is_stopped_by_kill_and_who_entered_finishes_too() {
    for runtime in runtimes() {
        let story = Story::new();
        let main = ["/teller", "main", "spawn", "S", WORKER, "default", "TERM", "forever"];
        let bundle = Bundle::new(&runtime, &story, &main);
        bundle.does(&["run", "--detach"], &[]);
        story.wait_for("main started");
        let entered = ["/teller", "entered", "take", "TERM", "300", "finish", "exit", "0"];
        // Without the file, gVisor's runsc passes an option of its own on to the command.
        let file = bundle.directory.join("pid").display().to_string();
        bundle.does(&["exec", "--detach", "--pid-file", &file], &entered);
        story.wait_for("entered started");
        bundle.does(&["kill"], &["TERM"]);
        bundle.wait_until_stopped();
        for name in ["worker", "entered"] {
            assert_eq!(story.count(&format!("{name} asked TERM")), 1, "{:?}", story.lines());
            assert_eq!(story.count(&format!("{name} finished")), 1, "{:?}", story.lines());
        }
        bundle.does(&["delete"], &[]);
    }
}

#[test]
fn a_signal_to_a_paused_container_arrives_when_it_goes_on() {
    for runtime in runtimes() {
        let story = Story::new();
        let main = ["/teller", "main", "spawn", "D", WORKER, "take", "TERM", "0", "exit", "0"];
        let bundle = Bundle::new(&runtime, &story, &main);
        bundle.does(&["run", "--detach"], &[]);
        story.wait_for("main started");
        bundle.does(&["pause"], &[]);
        bundle.does(&["kill"], &["TERM"]);
        assert_eq!(story.count("main asked TERM"), 0, "it is paused: {:?}", story.lines());
        bundle.does(&["resume"], &[]);
        bundle.wait_until_stopped();
        assert_eq!(story.count("main asked TERM"), 1, "{:?}", story.lines());
        assert_eq!(story.count("worker finished"), 1, "{:?}", story.lines());
    }
}

#[test]
fn a_stopped_main_child_is_woken_by_a_stop_signal() {
    for runtime in runtimes() {
        let story = Story::new();
        let main = ["/teller", "main", "stop", "STOP", "take", "TERM", "0", "exit", "4"];
        let bundle = Bundle::new(&runtime, &story, &main);
        bundle.does(&["run", "--detach"], &[]);
        story.wait_for("main stopping");
        bundle.does(&["kill"], &["TERM"]);
        bundle.wait_until_stopped();
        assert_eq!(story.count("main asked TERM"), 1, "{:?}", story.lines());
    }
}

/// Of the harness: the record of a lastout that was killed has no end, and that is a fault.
#[test]
fn a_detached_lastout_that_is_killed_fails_its_test() {
    for runtime in runtimes() {
        let story = Story::new();
        let bundle = Bundle::new(&runtime, &story, &["/teller", "main", "forever"]);
        bundle.does(&["run", "--detach"], &[]);
        story.wait_for("main started");
        bundle.does(&["kill"], &["KILL"]);
        bundle.wait_until_stopped();
        let refused = catch_unwind(AssertUnwindSafe(|| drop(bundle))).expect_err("not refused");
        let why = refused.downcast::<String>().expect("why");
        assert!(why.contains("is not true: it has no end"), "{}: {why}", runtime.display());
    }
}

#[test]
fn a_command_that_is_not_there_is_127_and_named() {
    for runtime in runtimes() {
        let story = Story::new();
        let output = Bundle::new(&runtime, &story, &["/no/such"]).runs();
        assert_eq!(output.status.code(), Some(127));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("lastout: cannot run /no/such"), "{said}");
    }
}

#[test]
fn a_traced_main_child_executes_another_program() {
    for runtime in runtimes() {
        let story = Story::new();
        let main = ["/teller", "main", "traceme", "run", "/teller", "other", "exit", "7"];
        let output = Bundle::new(&runtime, &story, &main).runs();
        assert_eq!(output.status.code(), Some(7), "{}", runtime.display());
        assert_eq!(story.count("other started"), 1, "{:?}", story.lines());
    }
}

#[test]
fn a_full_stderr_pipe_that_nobody_reads_holds_nothing_up() {
    for runtime in runtimes() {
        let story = Story::new();
        // There is something to be said: the command is not there.
        let bundle = Bundle::new(&runtime, &story, &["/no/such"]);
        let (_reads, writes) = pipe();
        fill(writes.as_fd());
        // Detached: what runc runs in the foreground writes to runc, which would wait itself.
        let mut command = bundle.command(&["run", "--detach", &bundle.name]);
        let status = command.stdout(Stdio::null()).stderr(writes).status();
        assert!(status.expect("the runtime runs").success(), "{}", runtime.display());
        bundle.wait_until_stopped();
    }
}
