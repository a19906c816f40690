use super::*;
use crate::execute::Outcome;
use crate::kernel::Waited;

const PUZZLE: &str = "\
# A remark.
program init
    fork child; reap
  child:
    kill self TERM; exit 3
cues
    1
    2
    1
";

fn follow(text: &str) -> Vec<Vec<View>> {
    let score = Score::parse(text).unwrap();
    let mut beliefs = Beliefs::start(score.library.clone());
    let mut all = vec![beliefs.views()];
    for cue in score.cues {
        beliefs.follow(cue).unwrap();
        all.push(beliefs.views());
    }
    all
}

#[test]
fn a_score_is_read_as_it_is_written() {
    let score = Score::parse(PUZZLE).unwrap();
    assert_eq!(score.cues.len(), 3);
    assert_eq!(Score::parse(&score.to_string()).unwrap(), score);
}

#[test]
fn faults_of_a_score_name_the_line() {
    for (text, line) in [
        ("", 1),
        ("program a\n pause\ncues\n 0", 4),
        ("program a\n pause\ncues\n kill 1 TREM", 4),
        ("program a\n pause\ncues\n\n enter b", 5),
        ("program a\n pause\ncues\n 1 way x", 4),
        ("program a\n pauze\ncues\n", 2),
    ] {
        assert_eq!(Score::parse(text).unwrap_err().line, line, "{text:?}");
    }
}

#[test]
fn a_process_does_what_its_cues_say_and_dies_of_its_own_signal() {
    let all = follow(PUZZLE);
    assert!(all.iter().all(|views| views.len() == 1), "nothing of this has two orders");
    let library = Score::parse(PUZZLE).unwrap().library;
    let lines = changes(&all[1][0], &all[2][0], &library);
    assert_eq!(lines, ["2 done, dies of TERM"]);
    let lines = changes(&all[2][0], &all[3][0], &library);
    assert_eq!(lines, ["1 reaps 2: killed by TERM", "2 is gone"]);
}

#[test]
fn two_that_die_at_once_can_do_so_in_either_order_and_both_are_believed() {
    // Both children die of one signal to their group. The one with a child of its own hands it
    // on; nothing else tells the orders apart, and the parent reaps in order of birth.
    let all = follow(
        "program init
           on CHLD goto told
           fork a; fork b; pause; reap; exit 0
         told: return
         a: setpgid; pause
         b: pause
         cues
           1\n 1\n 1\n 2\n 2\n 3\n kill 2 KILL",
    );
    assert!(all.iter().all(|views| !views.is_empty()));
}

/// K28 to K30. Found by chance. The child is stopped, with a signal pending that kills it, and goes on:
/// its parent hears of that, and of its death while it is in its handler; or of both at once.
#[test]
fn the_parent_of_who_goes_on_and_dies_may_hear_of_both_at_once_or_one_after_the_other() {
    let all = follow(
        "program init
           on CHLD goto told; fork child; pause; exit 0
         told: report; return
         child: pause
         cues
           1\n 1\n kill 2 STOP\n 1\n 1\n 1\n kill 2 RTMIN\n kill 2 CONT",
    );
    let chld = |view: &View| !view.processes[&1].pending.is_empty();
    let last = all.last().unwrap();
    assert!(last.iter().any(chld) && !last.iter().all(chld), "{last:#?}");
}

#[test]
fn a_view_that_differs_in_any_part_is_not_admitted() {
    let all = follow(PUZZLE);
    let view = &all[1][0];
    assert!(view.admits(view));
    let mut other = view.clone();
    other.processes.get_mut(&2).unwrap().group = 2;
    assert!(!view.admits(&other), "a group");
    let mut other = view.clone();
    other.processes.get_mut(&1).unwrap().pending = lastout_core::SignalSet::from_bits(1);
    assert!(!view.admits(&other), "a pending signal");
    let mut other = view.clone();
    other.processes.remove(&2);
    assert!(!view.admits(&other), "a process that is not there");
    let mut other = view.clone();
    other.answers.get_mut(&1).unwrap().push(Some(crate::execute::Outcome::CutShort));
    assert!(!view.admits(&other), "an answer more");
    let mut other = view.clone();
    other.answers.get_mut(&1).unwrap().clear();
    assert!(!view.admits(&other), "an answer less");
    let mut other = view.clone();
    other.over = Some(lastout_core::Status::Exited(0));
    assert!(!view.admits(&other), "an end");
}

#[test]
fn who_is_stopped_while_it_takes_a_signal_blocks_that_again() {
    let all = follow("program init\n mask INT; take INT\ncues\n 1\n 1\n kill 1 STOP\n kill 1 CONT");
    let blocked = |at: usize| !all[at][0].processes[&1].blocked.is_empty();
    assert_eq!([1, 2, 3, 4].map(blocked), [true, false, true, false]);
}

/// Seen on Linux 6.18: a child that stops its group stops before its parent does, whose CHLD is
/// delivered before its STOP: it stands still behind the frame of a handler that has not run.
#[test]
fn who_is_stopped_on_its_way_into_a_handler_need_not_be_there_yet() {
    let all = follow(
        "program init\n on CHLD goto told; fork child; pause\n told: return\n child: kill group STOP
         cues\n enter init\n 2\n 2\n 3",
    );
    let stands = |view: &&View| {
        let seen = &view.processes[&2];
        seen.state == view::State::Stopped && !seen.blocked.is_empty()
    };
    let view = all[4].iter().find(stands).expect("the handler is entered first");
    let before = &all[3][0].processes[&2];
    let mut real = view.clone();
    let two = real.processes.get_mut(&2).unwrap();
    (two.phase, two.at) = (before.phase, before.at);
    assert!(view.admits(&real));
}

/// Seen on Linux 6.18: TERM to all woke a parent in its wait, which was out of it and not yet dead
/// when its child died; and PID 1 reaped the grandchild in the meantime.
#[test]
fn who_dies_in_a_wait_need_not_reap_a_child_that_dies_at_the_same_time() {
    let all = follow(
        "program init\n spawn parent; reap; exit 0\n program parent\n fork child; reap
         child: fork grandchild; pause\n grandchild: pause\n program other\n kill all TERM; pause
         cues\n 1\n 1\n 2\n 2\n 3\n enter other\n 5",
    );
    let reaped = |view: &View, who: u32, whom: u32| {
        view.answers.get(&who).is_some_and(|all| {
            let dead = |outcome: &Option<Outcome>| {
                matches!(outcome, Some(Outcome::Waited(Ok(Waited::Dead(pid, _))))
                    if pid.number() == whom)
            };
            all.iter().any(dead)
        })
    };
    let seen = |view: &View| reaped(view, 1, 4) && !reaped(view, 2, 3);
    assert!(all[7].iter().any(seen), "{:#?}", all[7]);
}
