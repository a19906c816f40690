//! Who is compared: a list, and how each of them is had.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An init, or none.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// The program and its own options; the command follows. Nothing: the command is PID 1.
    pub(crate) words: Vec<String>,
    /// Its options if it is not PID 1 and is to adopt orphans; without them it does not.
    pub(crate) subreaper: Option<&'static [&'static str]>,
    /// Does it send signals on?
    pub(crate) forwards: bool,
}

impl Contender {
    /// No init at all: what is measured is the command.
    pub(crate) fn is_bare(&self) -> bool {
        self.words.is_empty()
    }

    /// Is it lastout, with whatever options?
    pub(crate) fn is_ours(&self) -> bool {
        self.name.starts_with("lastout")
    }

    /// Where its program is.
    pub(crate) fn program(&self) -> &Path {
        Path::new(&self.words[0])
    }
}

/// To whom the ratios are.
pub(crate) const REFERENCE: &str = "tini-static";
pub(crate) const LIMIT: &str = "mininit";
pub(crate) const BARE: &str = "bare";

/// Where a program comes from.
enum From {
    /// Built here, from this workspace.
    Here(&'static str),
    /// Debian's.
    Installed,
    /// There is no program.
    Nowhere,
}

struct Row {
    name: &'static str,
    from: From,
    options: &'static [&'static str],
    subreaper: Option<&'static [&'static str]>,
    forwards: bool,
}

/// The first is ours. A `lastout` whose options this build does not know is left out, with a line.
const ROWS: &[Row] = &[
    row("lastout", From::Here("lastout"), &[], Some(&[]), true),
    row(
        "lastout, reaping itself",
        From::Here("lastout"),
        &["--kernel-reaping", "off"],
        Some(&[]),
        true,
    ),
    row("tini-static", From::Installed, &[], Some(&["-s"]), true),
    row("tini", From::Installed, &[], Some(&["-s"]), true),
    row("dumb-init", From::Installed, &[], None, true),
    row("catatonit", From::Installed, &[], None, true),
    row("mininit", From::Here("examples/mininit"), &[], None, false),
    row("bare", From::Nowhere, &[], None, true),
];

const fn row(
    name: &'static str,
    from: From,
    options: &'static [&'static str],
    subreaper: Option<&'static [&'static str]>,
    forwards: bool,
) -> Row {
    Row { name, from, options, subreaper, forwards }
}

/// Debian's packages of the above.
const PACKAGES: [&str; 3] = ["tini", "dumb-init", "catatonit"];

/// Everybody who can be had here; who cannot is named, with the reason.
pub(crate) fn all() -> Vec<Contender> {
    let built = build();
    install();
    let mut all = Vec::new();
    for row in ROWS {
        match words(row, &built) {
            Ok(words) => all.push(Contender {
                name: row.name,
                words,
                subreaper: row.subreaper,
                forwards: row.forwards,
            }),
            Err(why) => println!("!! {} is LEFT OUT: {why}", row.name),
        }
    }
    all
}

fn words(row: &Row, built: &Path) -> Result<Vec<String>, String> {
    let program = match row.from {
        From::Here(file) => built.join(file),
        From::Installed => installed(row.name).ok_or("it is not installed")?,
        From::Nowhere => return Ok(Vec::new()),
    };
    let mut words = vec![program.display().to_string()];
    words.extend(row.options.iter().map(ToString::to_string));
    words.push("--".to_owned());
    if !matches!(row.from, From::Here(_)) {
        return Ok(words);
    }
    // Not as PID 1: this only asks whether this build knows the options.
    let mut probe = Command::new(&words[0]);
    probe.args(&words[1..]).arg("/bin/true").env_clear().stderr(Stdio::piped());
    let output = probe.output().map_err(|e| format!("{}: {e}", program.display()))?;
    if output.status.code() == Some(125) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("it leaves with 125").to_owned());
    }
    Ok(words)
}

/// The workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("os/ is in it")
}

/// Builds lastout and mininit for release; the directory that they are in then.
fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Each by itself: lastout is built without the other's feature.
    for what in [&["--bins"][..], &["--example", "mininit", "--features", "mininit"]] {
        let mut command = Command::new(&cargo);
        command.args(["build", "--release", "--quiet", "--locked", "-p", "lastout"]);
        let status = command.args(what).current_dir(workspace()).status().expect("cargo runs");
        assert!(status.success(), "cargo build --release -p lastout {what:?}: {status}");
    }
    let target = env::var_os("CARGO_TARGET_DIR");
    target.map_or_else(|| workspace().join("target"), PathBuf::from).join("release")
}

fn installed(program: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin", "/usr/local/bin"]
        .into_iter()
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.is_file())
}

/// Installs the peers from Debian if one of them is missing.
fn install() {
    let peers = ROWS.iter().filter(|row| matches!(row.from, From::Installed));
    let missing: Vec<&str> = peers.map(|r| r.name).filter(|n| installed(n).is_none()).collect();
    if missing.is_empty() {
        return;
    }
    println!("{} not installed; asking Debian for it", missing.join(", "));
    let script = workspace().join(".ci/install");
    if !Command::new(script).args(PACKAGES).status().is_ok_and(|status| status.success()) {
        println!("!! the peers CANNOT BE INSTALLED; they are missing in all tables");
    }
}
