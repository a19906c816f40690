//! Control groups of an experiment's own: the freezers of both versions, and the limit on processes.
//!
//! They are in hierarchies of the whole machine, which the experiment mounts below its /tmp. So
//! whoever ends the experiment thaws and removes them: who is frozen by version 1 cannot be killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};

use crate::ground::{name, skip, until};

/// The three hierarchies: where, of what type, with what options.
const FREEZER: (&str, &str, Option<&str>) = ("/tmp/freezer", "cgroup", Some("freezer"));
const PIDS: (&str, &str, Option<&str>) = ("/tmp/pids", "cgroup", Some("pids"));
const VERSION_2: (&str, &str, Option<&str>) = ("/tmp/cgroup2", "cgroup2", None);

/// A control group; empty at first.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: PathBuf,
}

/// How a control group stops its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freezer {
    Version1,
    Version2,
}

fn hierarchy(of: (&str, &str, Option<&str>)) -> nix::Result<Cgroup> {
    let (place, kind, options) = of;
    if !Path::new(place).exists() {
        fs::create_dir(place).expect("a directory");
        let mounted = mount(Some("none"), place, Some(kind), MsFlags::empty(), options);
        if let Err(error) = mounted {
            fs::remove_dir(place).expect("it is empty");
            return Err(error);
        }
    }
    let directory = Path::new(place).join(name());
    if !directory.exists() {
        fs::create_dir(&directory).unwrap_or_else(|e| skip(&format!("no control group: {e}")));
    }
    Ok(Cgroup { directory })
}

impl Cgroup {
    /// One that can be frozen; ends the experiment where there is none.
    pub(crate) fn frozen_by(freezer: Freezer) -> Self {
        match freezer {
            Freezer::Version1 => hierarchy(FREEZER)
                .unwrap_or_else(|e| skip(&format!("no freezer of cgroup version 1: {e}"))),
            Freezer::Version2 => {
                hierarchy(VERSION_2).unwrap_or_else(|e| skip(&format!("no cgroup version 2: {e}")))
            }
        }
    }

    /// One that can limit processes; ends the experiment where there is none.
    pub(crate) fn limiting() -> Self {
        if let Ok(group) = hierarchy(PIDS) {
            return group;
        }
        let group = hierarchy(VERSION_2).unwrap_or_else(|e| skip(&format!("no cgroup: {e}")));
        if !group.directory.join("pids.max").exists() {
            let root = Path::new(VERSION_2.0).join("cgroup.subtree_control");
            if let Err(error) = fs::write(root, "+pids") {
                skip(&format!("no pids controller: {error}"));
            }
        }
        group
    }

    fn version(&self) -> Freezer {
        let old = self.directory.join("freezer.state").exists();
        if old { Freezer::Version1 } else { Freezer::Version2 }
    }

    /// Writes to one of its files.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.directory.join(file);
        fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.directory.join(file)).expect("a file of the control group")
    }

    /// Takes that process in.
    pub(crate) fn add(&self, pid: i32) {
        self.write("cgroup.procs", &pid.to_string());
    }

    /// Is every process of it frozen?
    pub(crate) fn is_frozen(&self) -> bool {
        match self.version() {
            Freezer::Version1 => self.read("freezer.state").trim() == "FROZEN",
            Freezer::Version2 => self.read("cgroup.events").contains("frozen 1"),
        }
    }

    /// Freezes all its processes, and waits until they are.
    #[track_caller]
    pub(crate) fn freeze(&self) {
        match self.version() {
            Freezer::Version1 => self.write("freezer.state", "FROZEN"),
            Freezer::Version2 => self.write("cgroup.freeze", "1"),
        }
        until("it is frozen", || self.is_frozen());
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) {
        match self.version() {
            Freezer::Version1 => self.write("freezer.state", "THAWED"),
            Freezer::Version2 => self.write("cgroup.freeze", "0"),
        }
    }
}

fn all() -> impl Iterator<Item = PathBuf> {
    [FREEZER, PIDS, VERSION_2].into_iter().map(|(place, ..)| Path::new(place).join(name()))
}

/// Thaws all that the experiment has frozen.
pub(crate) fn thaw_all() {
    for directory in all() {
        for (file, text) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            if directory.join(file).exists() {
                let _ = fs::write(directory.join(file), text);
            }
        }
    }
}

/// Removes all of its control groups. Their processes are dead, and leave in a moment.
pub(crate) fn remove_all() {
    for directory in all() {
        for _ in 0..3000 {
            if !directory.exists() || fs::remove_dir(&directory).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
