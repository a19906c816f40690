//! The facts of docs/kernel.md that `kernel-probe` can ask a kernel, asked of the one here.
//!
//! .ci/kernels runs this on others. What a kernel must not have yet is in `SINCE`: a table of
//! differences that this test keeps true on both sides.

use std::process::Command;

use lastout_tests::container::available;

/// Facts that came with a version of Linux.
const SINCE: [(&str, (u32, u32)); 4] = [
    // PIDFD_INFO_EXIT.
    ("K109", (6, 15)),
    // POLLHUP of a reaped process's pidfd.
    ("hup", (6, 9)),
    // PIDFD_SIGNAL_PROCESS_GROUP.
    ("K93", (6, 9)),
    // RWF_NOWAIT for pipes; before, EOPNOTSUPP.
    ("nowait", (6, 4)),
];

/// What the tests are run with elsewhere, or this package's own.
fn probe() -> Command {
    Command::new(
        std::env::var_os("LASTOUT_PROBE")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_kernel-probe").into()),
    )
}

fn version() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("its version");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let mut next = || numbers.next().expect("two numbers").expect("a number");
    (next(), next())
}

#[test]
fn all_facts_are_as_this_version_of_linux_has_them() {
    if !available() {
        return;
    }
    let output = probe().output().expect("the probe runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let version = version();
    let mut asked = 0;
    for line in told.lines() {
        let (name, rest) = line.split_once(' ').expect("a name and an answer");
        let since = SINCE.iter().find(|fact| fact.0 == name).map_or((0, 0), |fact| fact.1);
        let expected = if version >= since { "yes" } else { "no" };
        let answer = rest.split(' ').next();
        assert_eq!(answer, Some(expected), "on Linux {version:?}: {line}\n{told}");
        asked += 1;
    }
    assert_eq!(asked, 56, "{told}");
}

#[test]
fn a_fact_that_does_not_hold_is_told() {
    if !available() {
        return;
    }
    // Where no process can be made that is PID 1, none of its facts can hold.
    let output = Command::new("setpriv")
        .args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
        .args([probe().get_program(), "K1".as_ref(), "K32".as_ref()])
        .output()
        .expect("setpriv runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.starts_with("K1 no ") && told.contains("\nK32 no "), "{told}");
}
