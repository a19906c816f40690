//! Scores that are written down, in tests/parity: each is a claim, played on both kernels, and
//! says below each cue what happened. That text is compared, too; so no score may have a choice of
//! orders, by which Linux could do it otherwise the next time. `LASTOUT_REGENERATE=1` writes it anew,
//! as it was on this machine's Linux.

use std::fmt::Write;
use std::{env, fs};

use lastout_sim::parity::Score;
use lastout_tests::container::available;
use lastout_tests::parity::{Conductor, Played};
use lastout_tests::tools;

/// The score as a file: remarks, programs, cues, and what each led to.
fn text(score: &Score, played: &Played) -> String {
    let mut text = String::new();
    for line in &score.remark {
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
    let _ = write!(text, "{}\n\ncues\n", score.library.to_string().trim_end());
    text + &played.transcript(&score.library)
}

#[test]
fn what_the_scores_claim_holds_on_both_kernels() {
    if !available() {
        return;
    }
    let mut conductor = Conductor::new();
    let directory = tools::workspace().join("tests/parity");
    let mut paths: Vec<_> = fs::read_dir(&directory).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "score"));
    paths.sort();
    assert!(paths.len() >= 34, "the scores are not there");
    let mut wrong = Vec::new();
    for path in paths {
        let name = path.strip_prefix(tools::workspace()).unwrap().display();
        let written = fs::read_to_string(&path).unwrap();
        let score = Score::parse(&written).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let played = match conductor.perform(&score) {
            Ok(played) => played,
            Err(failure) => {
                wrong.push(format!("{name}: {failure}"));
                continue;
            }
        };
        let now = text(&score, &played);
        if env::var("LASTOUT_REGENERATE").is_ok_and(|value| value == "1") {
            fs::write(&path, now).unwrap();
        } else if played.widest > 1 {
            wrong.push(format!(
                "{name}: Linux has a choice of orders there, so its text can change"
            ));
        } else if now != written {
            wrong.push(format!("{name} is otherwise now:\n{now}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
