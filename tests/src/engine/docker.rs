//! Containers run by Docker.
//!
//! The daemon is a private one, named by `DOCKER_HOST` (`.ci/engines start`): the machine's own
//! is never used. It has no network, and its `--init` is lastout.
//!
//! The image is made by `docker import` from nothing but our files. Its name is a hash of them,
//! so whoever comes first makes it and all others use it, also in other test processes. It stays
//! in the private daemon and goes with it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{
    Client, Contents, LASTOUT, Process, Root, STORY, TINI, environment, processes, succeed, unique,
    words,
};
use crate::container::Pty;
use crate::record::{End, Record, Recording};
use crate::story::Story;
use crate::tools;

/// Debian's, by path: another client may come first in `PATH`.
const CLIENT: &str = "/usr/bin/docker";

/// The stop signal that containers get from Docker, as its events number it.
pub const TERM: &str = "15";

/// The one that ends them.
pub const KILL: &str = "9";

/// A Docker that answers.
#[derive(Clone, Copy, Debug)]
pub struct Docker {
    image: &'static str,
    two_files: &'static str,
}

/// Who is PID 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pid1 {
    /// lastout, as the image's entry point. The options come first in the words.
    Entrypoint,
    /// lastout, put there by `docker run --init`, so options only by environment variables.
    Init,
    /// tini, for comparison.
    Tini,
    /// The command itself.
    Command,
}

/// One call of the client.
fn docker(words: &[&str]) -> Command {
    let mut command = Command::new(CLIENT);
    command.args(words);
    command
}

impl Docker {
    /// The engine; without it, says that the test is skipped.
    #[must_use]
    pub fn available() -> Option<Self> {
        static FOUND: OnceLock<Result<Docker, String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            if std::env::var_os("DOCKER_HOST").is_none() {
                return Err("no DOCKER_HOST; see .ci/engines start".to_owned());
            }
            let answer = docker(&["version", "--format", "{{.Server.Version}}"]).output();
            match answer {
                Err(error) => return Err(format!("{CLIENT}: {error}")),
                Ok(answer) if !answer.status.success() => {
                    let why = String::from_utf8_lossy(&answer.stderr).into_owned();
                    return Err(format!("no Docker answers: {}", why.trim()));
                }
                Ok(_) => (),
            }
            Ok(Self { image: import(Contents::Shells)?, two_files: import(Contents::TwoFiles)? })
        });
        match found {
            Ok(docker) => Some(*docker),
            Err(why) => {
                tools::skip(why);
                None
            }
        }
    }

    /// A container that is to be started, whose processes tell that story. PID 1 is lastout as
    /// the entry point, unless [`Container::pid1`] says otherwise.
    #[must_use]
    pub fn container<'s>(&self, story: &'s Story) -> Container<'s> {
        Container {
            docker: *self,
            story,
            image: self.image,
            pid1: Pid1::Entrypoint,
            unrecorded: None,
            options: Vec::new(),
        }
    }
}

/// Makes an image; its name, or why there is none.
fn import(contents: Contents) -> Result<&'static str, String> {
    let root = Root::new(contents)?;
    let tar = Command::new("tar")
        .args(["--create", "--sort=name", "--mtime=@0", "--directory"])
        .arg(root.path())
        .arg(".")
        .output()
        .expect("tar runs");
    assert!(tar.status.success(), "{tar:?}");
    let mut hasher = DefaultHasher::new();
    tar.stdout.hash(&mut hasher);
    let name = format!("lastout-test:{:016x}", hasher.finish());
    let there =
        docker(&["image", "inspect", &name]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.expect("docker runs").success() {
        let entrypoint = format!("ENTRYPOINT [\"{LASTOUT}\"]");
        let mut importing = docker(&["import", "--change", &entrypoint, "-", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("docker runs");
        let mut stdin = importing.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, &tar.stdout).expect("docker reads the image");
        drop(stdin);
        let end = importing.wait().expect("it is our child");
        assert!(end.success(), "docker import: {end}");
    }
    Ok(name.leak())
}

/// A container that is to be started.
#[derive(Debug)]
pub struct Container<'s> {
    docker: Docker,
    story: &'s Story,
    image: &'static str,
    pid1: Pid1,
    unrecorded: Option<&'static str>,
    options: Vec<String>,
}

impl Container<'_> {
    /// Says who is PID 1.
    #[must_use]
    pub fn pid1(mut self, pid1: Pid1) -> Self {
        self.pid1 = pid1;
        self
    }

    /// Without a record, and why; [`record`](crate::record) says more.
    #[must_use]
    pub const fn unrecorded(mut self, why: &'static str) -> Self {
        self.unrecorded = Some(why);
        self
    }

    /// From an image of two static files and nothing else.
    #[must_use]
    pub fn from_two_files(mut self) -> Self {
        self.image = self.docker.two_files;
        self
    }

    /// With these options of `docker run`.
    #[must_use]
    pub fn with(mut self, options: &str) -> Self {
        self.options.extend(words(options).iter().map(ToString::to_string));
        self
    }

    /// Starts it in the background.
    ///
    /// # Panics
    /// If Docker cannot.
    #[must_use]
    pub fn start(mut self, command: &str) -> Started {
        self.options.push("--detach".to_owned());
        let (started, command) = self.command(&words(command));
        succeed(command);
        started
    }

    /// Starts it in the foreground: its client is our child.
    #[must_use]
    pub fn run(self, command: &str) -> (Started, Client) {
        let (started, command) = self.command(&words(command));
        (started, Client::start(command))
    }

    /// Starts it in the foreground of that terminal: `docker run -it`.
    #[must_use]
    pub fn run_on(self, terminal: &Pty, command: &str) -> (Started, Client) {
        let container = self.with("--interactive --tty");
        let (started, command) = container.command(&words(command));
        (started, Client::start_on(terminal, command))
    }

    fn command(self, words: &[&str]) -> (Started, Command) {
        let name = unique("docker");
        let recording = match (self.unrecorded, self.pid1) {
            (Some(why), _) => Recording::Not(why),
            (None, Pid1::Entrypoint | Pid1::Init) => Recording::Must,
            (None, Pid1::Tini | Pid1::Command) => Recording::May,
        };
        let record = Record::new(self.story.directory(), recording);
        let mut command = docker(&["run", "--name", &name, "--network", "none"]);
        let story = self.story.directory().to_str().expect("a readable path");
        command.args(["--volume", &format!("{story}:{STORY}")]);
        for variable in environment() {
            command.args(["--env", &variable]);
        }
        if let Some(file) = record.path().and_then(Path::file_name) {
            command.args(["--env", &format!("LASTOUT_RECORD={STORY}/{}", file.display())]);
        }
        let mut words = words.iter();
        match self.pid1 {
            Pid1::Entrypoint => (),
            Pid1::Tini => drop(command.args(["--entrypoint", TINI])),
            Pid1::Init | Pid1::Command => {
                if self.pid1 == Pid1::Init {
                    command.arg("--init");
                }
                // Else the image's entry point would come before it.
                command.args(["--entrypoint", words.next().expect("a command")]);
            }
        }
        command.args(self.options).arg(self.image).args(words);
        (Started { name, pid1: self.pid1, record }, command)
    }
}

/// A container that was started, and may have ended. It is removed when it is dropped.
#[derive(Debug)]
pub struct Started {
    name: String,
    pid1: Pid1,
    record: Record,
}

impl Started {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `docker stop`, which kills it after so many seconds; how long that took.
    ///
    /// # Panics
    /// If Docker cannot.
    pub fn stop(&self, seconds: u32) -> Duration {
        let start = Instant::now();
        self.docker(&["stop", "--time", &seconds.to_string()]);
        start.elapsed()
    }

    /// `docker kill --signal`.
    ///
    /// # Panics
    /// If Docker cannot.
    pub fn kill(&self, signal: &str) {
        self.docker(&["kill", "--signal", signal]);
    }

    /// `docker pause`.
    ///
    /// # Panics
    /// If Docker cannot.
    pub fn pause(&self) {
        self.docker(&["pause"]);
    }

    /// `docker unpause`.
    ///
    /// # Panics
    /// If Docker cannot.
    pub fn unpause(&self) {
        self.docker(&["unpause"]);
    }

    /// `docker exec`: lets a program enter.
    #[must_use]
    pub fn exec(&self, command: &str) -> Client {
        let mut client = docker(&["exec", &self.name]);
        client.args(words(command));
        Client::start(client)
    }

    /// Waits for the container's end and tells its exit code.
    ///
    /// # Panics
    /// If it does not end.
    #[must_use]
    pub fn wait(&self) -> i32 {
        let code = self.docker(&["wait"]);
        code.parse().unwrap_or_else(|e| panic!("{code:?}: {e}"))
    }

    /// A field of its state: `ExitCode`, `OOMKilled`, `Status`, `Pid`.
    ///
    /// # Panics
    /// If Docker cannot tell.
    #[must_use]
    pub fn state(&self, field: &str) -> String {
        self.docker(&["inspect", "--format", &format!("{{{{.State.{field}}}}}")])
    }

    /// The pid of its PID 1 on this machine.
    ///
    /// # Panics
    /// If it is not running.
    #[must_use]
    pub fn pid(&self) -> i32 {
        let pid = self.state("Pid").parse().expect("a pid");
        assert_ne!(pid, 0, "it is not running:\n{}", self.stderr());
        pid
    }

    /// Its processes, zombies too.
    ///
    /// # Panics
    /// If it is not running.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        processes(self.pid())
    }

    /// The process that a teller told of, by its name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn process(&self, story: &Story, name: &str) -> Process {
        let started = story.wait_for(&format!("{name} started"));
        let inside = Story::value(&started, "pid").parse().expect("a pid");
        let all = self.processes();
        let found = all.iter().find(|p| p.inside == inside);
        *found.unwrap_or_else(|| panic!("no {name} {inside} among {all:?}"))
    }

    /// What was written to stderr in it: lastout's words among it.
    ///
    /// # Panics
    /// If Docker cannot tell.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.logs().stderr()
    }

    /// What was written to stdout in it.
    ///
    /// # Panics
    /// If Docker cannot tell.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.logs().stdout()
    }

    fn logs(&self) -> Client {
        let mut client = Client::start(docker(&["logs", &self.name]));
        assert_eq!(client.wait(), 0, "{}", client.stderr());
        client
    }

    /// The signals that Docker has sent it, by their numbers, as it says in its events. Where a
    /// stop was in time there is no 9.
    ///
    /// # Panics
    /// If Docker cannot tell.
    #[must_use]
    pub fn signals(&self) -> Vec<String> {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        let container = format!("container={}", self.name);
        let events = succeed(docker(&[
            "events",
            "--since=0",
            "--until",
            &until,
            "--filter",
            &container,
            "--filter=event=kill",
            "--format={{.Actor.Attributes.signal}}",
        ]));
        events.lines().map(str::to_owned).collect()
    }

    /// How the life in it has ended, or is about to be by our removing it.
    fn end(&self) -> End {
        let state = self.state("Status");
        if state != "exited" || self.signals().iter().any(|signal| signal == KILL) {
            return End::CutShort;
        }
        match self.pid1 {
            Pid1::Entrypoint | Pid1::Init => {
                End::Code(self.state("ExitCode").parse().expect("a number"))
            }
            Pid1::Tini | Pid1::Command => End::Untold,
        }
    }

    /// `docker VERB... NAME`.
    fn docker(&self, words: &[&str]) -> String {
        let mut command = docker(words);
        command.arg(&self.name);
        succeed(command)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Whatever fails, it is removed.
        let end =
            (!std::thread::panicking()).then(|| catch_unwind(AssertUnwindSafe(|| self.end())));
        let _ = docker(&["rm", "--force", "--volumes", &self.name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match end {
            None => (),
            Some(Ok(end)) => self.record.judge(end),
            Some(Err(panic)) => resume_unwind(panic),
        }
    }
}
