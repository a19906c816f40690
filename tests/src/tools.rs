//! The programs that tests run, and what a test says when it cannot.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Says that a test is skipped and why; on the real stderr, which the test harness does not
/// capture. Where nothing may be skipped (`LASTOUT_NO_SKIP=1`, as in CI) it fails instead.
///
/// # Panics
/// With `LASTOUT_NO_SKIP=1`.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(env::var_os("LASTOUT_NO_SKIP").is_none(), "{test} would be skipped: {why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// The path of a program, if it is installed.
#[must_use]
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let standard = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(standard).map(|d| d.join(program)).find(|p| p.is_file())
}

/// The path of a program; without it, says that the test is skipped.
#[must_use]
pub fn needed(program: &str) -> Option<PathBuf> {
    let path = installed(program);
    if path.is_none() {
        skip(&format!("{program} is not installed"));
    }
    path
}

/// The lastout under test: `LASTOUT_BIN`, or the workspace's, built as these tests are.
///
/// # Panics
/// If it cannot be built.
pub fn lastout() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = env::var_os("LASTOUT_BIN") {
            return std::path::absolute(PathBuf::from(path)).expect("LASTOUT_BIN");
        }
        let release = !cfg!(debug_assertions);
        let options: &[&str] = if release { &["--release"] } else { &[] };
        build(&["-p", "lastout"], options, &target(), "");
        target().join(if release { "release" } else { "debug" }).join("lastout")
    })
}

/// The teller, static, so that it also runs in an image of nothing else: `LASTOUT_TELLER` where
/// nothing can be built, or this workspace's.
///
/// # Panics
/// If it cannot be built.
pub fn teller() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = env::var_os("LASTOUT_TELLER") {
            return std::path::absolute(PathBuf::from(path)).expect("LASTOUT_TELLER");
        }
        let target = target().join("static");
        let what = ["-p", "lastout-tests", "--bin", "teller"];
        let triple = format!("{}-unknown-linux-gnu", env::consts::ARCH);
        build(&what, &["--target", &triple], &target, "-Ctarget-feature=+crt-static");
        target.join(triple).join("debug/teller")
    })
}

/// The puppet of parity: static, without std.
///
/// # Panics
/// If it cannot be built.
pub fn puppet() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = env::var_os("LASTOUT_PUPPET") {
            return std::path::absolute(PathBuf::from(path)).expect("LASTOUT_PUPPET");
        }
        build(&["-p", "lastout-tests", "--bin", "puppet"], &[], &target(), "");
        target().join("debug/puppet")
    })
}

fn build(what: &[&str], options: &[&str], target: &Path, flags: &str) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("build").arg("--quiet").args(what).args(options);
    command.arg("--target-dir").arg(target).current_dir(workspace());
    if !flags.is_empty() {
        command.env("RUSTFLAGS", flags);
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "cargo build {what:?}: {status}");
}

/// The workspace's own directory: `LASTOUT_WORKSPACE` where the tests run somewhere else than where
/// they were built.
///
/// # Panics
/// Never: this package is in it.
#[must_use]
pub fn workspace() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let built = || Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
        env::var_os("LASTOUT_WORKSPACE").map(PathBuf::from).or_else(built).expect("a workspace")
    })
}

fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}
