//! The record of every life that a test lets the real binary live, and its judge.
//!
//! Wherever the tests start lastout, `LASTOUT_RECORD` names a file beside the story; lastout takes the variable
//! out of its child's environment, so one file has one author. When the life is over the file is
//! judged, and the test fails whose record is not true: replayed through `lastout-core` it is the same
//! in every byte, the simulated world can have made it (`lastout_sim::admits`), and it ends with
//! the code that the process left with. Where nobody learns that code the record must have an end,
//! with whichever code ([`End::Untold`]). Only a life that a test cut short is judged as far as it is told.
//!
//! A test that must not record says why ([`Recording::Not`]). With `LASTOUT_JUDGED=FILE` a line is
//! appended there for every life, `VERDICT STEPS TARGET TEST WHY`, so that CI can count them by test
//! target and by test: a judge whom nobody asks finds nothing.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lastout_core::Entry;
use lastout_core::replay::check;
use lastout_sim::admits::{Premises, Verdict, admits};

/// Whether a life is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recording {
    /// It is, and an empty record is a fault.
    Must,
    /// If there is a lastout in it; nobody knows what the program does.
    May,
    /// It is not, and that is why.
    Not(&'static str),
}

/// How a life ended, as far as whoever lets it be judged knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// lastout left with that code.
    Code(i32),
    /// lastout left by itself, with a code that nobody here learns: in a container of runc or crun that
    /// was started detached, or below somebody who may leave with another code, as supervisord and an
    /// interactive shell do.
    Untold,
    /// A signal killed lastout that was not the test's; that is never right.
    Died(i32),
    /// Killed by the test, with SIGKILL or with its container that was left running, perhaps before it
    /// did anything. That it left before it could be killed is not known where somebody else is PID 1
    /// and stays (`Container::shell_below_pid1`).
    CutShort,
}

/// The record of one life, being written by lastout.
#[derive(Debug)]
pub struct Record {
    /// Held open: it is there to be read also when the story's directory is gone.
    file: Option<File>,
    path: PathBuf,
    recording: Recording,
    is_judged: bool,
}

impl Record {
    /// An empty one in that directory, which anybody may write to: lastout may be anybody.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new(directory: &Path, recording: Recording) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("record-{number}"));
        let file = (!matches!(recording, Recording::Not(_))).then(|| {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).mode(0o666).open(&path);
            let file = file.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            file.set_permissions(PermissionsExt::from_mode(0o666)).expect("chmod");
            file
        });
        Self { file, path, recording, is_judged: false }
    }

    /// Where lastout is to write it, if at all.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|_| self.path.as_path())
    }

    /// Its text so far.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(mut file) = self.file.as_ref() {
            file.rewind().expect("the record's beginning");
            file.read_to_string(&mut text).expect("the record");
        }
        text
    }

    /// Judges it, once: later calls do nothing.
    ///
    /// # Panics
    /// If it is not true, with the line and the whole of it.
    #[track_caller]
    pub fn judge(&mut self, end: End) {
        if std::mem::replace(&mut self.is_judged, true) {
            return;
        }
        if let Recording::Not(why) = self.recording {
            note("unrecorded", 0, why);
            return;
        }
        let text = self.text();
        if text.is_empty() {
            let fine = self.recording == Recording::May || end == End::CutShort;
            assert!(fine, "nothing was recorded; where that is right, say it: unrecorded(WHY)");
            return;
        }
        match verdict(&text, end) {
            Ok(premises) => note(if premises.held { "late" } else { "admitted" }, steps(&text), ""),
            Err(why) => panic!("the record of this life is not true: {why}\n{text}"),
        }
    }
}

/// What had to be assumed of a record so that it is true; or the line that cannot be, and why.
/// That somebody was seen dead late may be assumed: an exit takes time here, and none in the
/// simulation (K107). CI counts how often.
///
/// # Errors
/// It differs from what the machine does, it cannot be, it has a gap, or it ends with another code.
pub fn verdict(text: &str, end: End) -> Result<Premises, String> {
    let code = check(text).map_err(|fault| fault.to_string())?;
    match (end, code) {
        (End::Code(left), Some(told)) if left == i32::from(told) => (),
        (End::Untold, Some(_)) | (End::CutShort, _) => (),
        (End::Died(signal), _) => {
            return Err(format!("it died of signal {signal}, which this test did not send"));
        }
        (End::Untold, None) => return Err("it has no end".to_owned()),
        (End::Code(left), told) => return Err(format!("it left with {left}, not {told:?}")),
    }
    let premises = match admits(text).map_err(|fault| fault.to_string())? {
        Verdict::Admitted { premises } => premises,
        other => return Err(format!("the simulated world does not admit it: {other:?}")),
    };
    if premises.denied { Err("lastout may signal everybody here".to_owned()) } else { Ok(premises) }
}

fn steps(text: &str) -> usize {
    text.lines().filter(|line| line.parse::<Entry>().is_ok()).count()
}

/// Tells CI; one write, so that lines of several processes do not mix.
fn note(verdict: &str, steps: usize, why: &str) {
    let Some(path) = std::env::var_os("LASTOUT_JUDGED") else {
        return;
    };
    let thread = std::thread::current();
    let line = format!("{verdict} {steps} {} {} {why}\n", target(), thread.name().unwrap_or("-"));
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("LASTOUT_JUDGED");
}

/// The name of this test target: that of its program without the hash that cargo adds.
fn target() -> String {
    let program = std::env::current_exe().expect("this program");
    let name = program.file_name().expect("its name").to_string_lossy().into_owned();
    match name.rsplit_once('-') {
        Some((target, hash)) if hash.bytes().all(|b| b.is_ascii_hexdigit()) => target.to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole life, of which the judge has nothing to say.
    const LIFE: &str = "\
# lastout 1 role=pid1 forward=main stop-signal=INT,TERM drain-signal=TERM drain-grace=5s last-call=250ms kill-grace=2s
spawned 2              -> reap
none-ready             -> wait
signal CHLD            -> reap
reaped 2 exit 6        -> kill all TERM, kill all CONT, alarm 50ms; reap
no-children            -> census
alone                  -> exit 6
";

    fn refused(text: &str, end: End) -> String {
        verdict(text, end).expect_err("it is not true")
    }

    #[test]
    fn a_true_record_is_admitted_whole_or_cut_short() {
        let nothing = Ok(Premises::default());
        assert_eq!(verdict(LIFE, End::Code(6)), nothing);
        assert_eq!(verdict(LIFE, End::Untold), nothing);
        for (end, _) in LIFE.match_indices('\n') {
            assert_eq!(verdict(&LIFE[..=end], End::CutShort), nothing, "{end}");
        }
    }

    #[test]
    fn a_record_that_ends_otherwise_than_the_process_is_refused() {
        assert_eq!(refused(LIFE, End::Code(7)), "it left with 7, not Some(6)");
        let cut = LIFE.strip_suffix("alone                  -> exit 6\n").unwrap();
        assert_eq!(refused(cut, End::Code(6)), "it left with 6, not None");
    }

    #[test]
    fn a_record_that_stops_before_its_end_is_refused_also_where_nobody_learns_the_code() {
        for (end, _) in LIFE.match_indices('\n').rev().skip(1) {
            assert_eq!(refused(&LIFE[..=end], End::Untold), "it has no end", "{end}");
        }
    }

    #[test]
    fn a_record_of_another_init_or_of_no_kernel_or_with_a_gap_is_refused() {
        let other = LIFE.replace("kill all TERM, kill all CONT", "kill all CONT, kill all TERM");
        assert!(refused(&other, End::Untold).contains("the machine does: reaped 2 exit 6"));
        let impossible = LIFE.replace("reaped 2 exit 6     ", "reaped 2 signal STOP");
        let why = refused(&impossible.replace("exit 6", "exit 147"), End::Untold);
        assert!(why.contains("KillsNobody(STOP)"), "{why}");
        let gap = LIFE.replace("none-ready ", "# gap 1\nnone-ready ");
        assert!(refused(&gap, End::Untold).contains("a line is missing"));
    }

    #[test]
    fn an_exit_that_took_its_time_is_let_pass_and_told() {
        let stopped = "stopped 2 STOP         -> reap\nnone-ready             -> wait\n\
                       signal TERM            -> kill 2 TERM, kill 2 CONT; wait\n\
                       signal CHLD            -> reap\nnone-ready             -> wait\n\
                       signal CHLD            -> reap\nreaped";
        let late = LIFE.replacen("reaped", stopped, 1);
        let premises = Premises { held: true, denied: false };
        assert_eq!(verdict(&late, End::Code(6)), Ok(premises));
    }

    #[test]
    fn a_test_target_is_named_without_its_hash() {
        assert_eq!(target(), "lastout_tests");
    }

    fn record(recording: Recording) -> Record {
        let directory = crate::story::Story::new();
        Record::new(directory.directory(), recording)
    }

    #[test]
    #[should_panic(expected = "nothing was recorded")]
    fn a_life_that_should_record_and_does_not_fails() {
        record(Recording::Must).judge(End::Code(0));
    }

    #[test]
    #[should_panic(expected = "it left with 0, not Some(6)")]
    fn a_life_whose_record_is_not_true_fails() {
        let story = crate::story::Story::new();
        let mut record = Record::new(story.directory(), Recording::May);
        std::fs::write(record.path().unwrap(), LIFE).unwrap();
        record.judge(End::Code(0));
    }

    #[test]
    fn a_life_that_says_why_it_has_no_record_or_that_ended_at_once_is_fine() {
        record(Recording::Not("a test")).judge(End::Code(0));
        record(Recording::Must).judge(End::CutShort);
        record(Recording::May).judge(End::Code(0));
    }
}
