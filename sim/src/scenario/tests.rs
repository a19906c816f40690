//! The text and the search; what scenarios show is in `tests/scenarios`.

use super::*;
use crate::machine::Kind;
use crate::setting::Who;

/// Every line that there is.
const ALL: &str = "\
# lastout-world 1
# What the reader must know.
#
# And more of it.

init lastout
policy role=subreaper forward=group terminal remap-exit=143:0 drain-grace=1s
stop-timeout 10s
engine settle, stop 11s
engine docker-stop, kubernetes-stop, stop 5s QUIT, send USR1, send USR1 value 3, timeout 1s
engine exec worker, pause 1s, unpause, press INT, wait 1s, kill
fault late 100ms
fault chld 1
fault eintr 2
fault fork 3
fault hang 4
fault tracer 5
fault stolen 6
fault spawn not-found
fault lazy
fault eperm
fault inherited
fault early
freezer v1
processes 9
halves
prompt
main app

program worker
    pause

program app
    on TERM goto end
  idle: pause; goto idle
  end: say bye; exit 3

expect exit 3
expect exit 0|143
expect app exit 1|2
expect sometimes worker killed
expect worker killed TERM
expect worker alive
expect worker got-term
expect worker not-got-term
expect app says bye bye
expect app says
expect never-ends
expect laws hold
expect breaks S10

moves
    init
    process 3
    process 3 way 2
    engine 0
    pass 100ms
    chld
";

#[test]
fn every_line_is_written_as_it_is_read() {
    let scenario = parse(ALL).unwrap();
    assert_eq!(scenario.to_string(), ALL);
    assert_eq!(scenario.setting.policy.graces.drain.0, 1000);
    assert_eq!(scenario.setting.policy.graces.stop.unwrap().0, 7750, "planned");
    let line = ALL.lines().position(|line| line == "expect exit 0|143").unwrap() + 1;
    assert_eq!(scenario.expectations[1].line.0, line);
    assert_eq!(scenario.moves.len(), 6);
}

#[test]
fn a_remark_is_kept_without_blanks_at_the_ends_of_its_lines() {
    let blanks = ALL.replace("know.\n", "know. \t\n");
    assert_eq!(parse(&blanks), parse(ALL));
}

#[test]
fn the_order_is_free_but_for_the_moves() {
    let text = "# lastout-world 1\nexpect exit 0\nprogram a\n pause\nengine kill\nprogram b\nmain b\n\
                init tini -g\nmoves\ninit\n";
    let scenario = parse(text).unwrap();
    assert_eq!(scenario.setting.main, 1);
    assert_eq!(scenario.setting.policy.forward, lastout_core::Forward::Group, "as tini -g does");
    assert_eq!(parse(&scenario.to_string()).unwrap(), scenario);
    assert!(scenario.to_string().contains("init tini -g\npolicy role=pid1\nengine kill\nmain b\n"));
}

#[test]
fn every_init_is_written_as_it_is_read() {
    let of = |init: &str| {
        let text = format!("# lastout-world 1\ninit {init}\nprogram a\n");
        let scenario = parse(&text).unwrap();
        assert!(scenario.to_string().contains(&format!("\ninit {init}\n")), "{init}");
        scenario.setting.who
    };
    for peer in crate::peer::Peer::ALL {
        assert_eq!(of(peer.name()), Who::Init(Kind::Peer(*peer)));
    }
    for mutant in crate::mutant::Mutant::ALL {
        assert_eq!(of(&format!("mutant {}", mutant.name())), Who::Init(Kind::Mutant(*mutant)));
    }
    assert_eq!(of("program a"), Who::Program(0));
}

#[test]
fn faults_name_the_line_and_what_is_wrong() {
    let head = "# lastout-world 1\ninit lastout\nprogram a\n pause\n";
    for (line, word) in [
        ("inti lastout", "\"inti\""),
        ("init lastout", "a second \"init\""),
        ("main b", "no program \"b\""),
        ("policy role=king", "role=king"),
        ("stop-timeout 10", "\"10\" is no time"),
        ("engine dance", "\"dance\""),
        ("engine exec b", "no program \"b\""),
        ("fault lightning", "\"lightning\" is no fault"),
        ("fault lazy 3", "stands alone"),
        ("fault chld many", "\"many\" is no number"),
        ("fault spawn sometimes", "why it was not started"),
        ("freezer v3", "v1 or v2"),
        ("processes all", "\"all\" is no number"),
        ("halves 2", "stands alone"),
        ("program exit", "\"exit\""),
        ("program a", "already"),
        ("program c\n pauze", "pauze"),
        ("expect exit 256", "\"256\" is no exit code"),
        ("expect b exit 0", "no program \"b\""),
        ("expect a dies", "what of \"a\"?"),
        ("expect a killed TREM", "\"TREM\" is no signal"),
        ("expect sometimes laws hold", "no \"sometimes\""),
        ("expect breaks S99", "\"S99\" is no law"),
        ("expect", "no expectation"),
        ("moves\ndance", "\"dance\" is no move"),
        ("# too late", "a remark"),
    ] {
        // What is wrong is on the last line. In a program, everything is an instruction.
        let head = if line.starts_with("inti") { "# lastout-world 1\n" } else { head };
        let text = format!("{head}{line}\n");
        let at = text.lines().count();
        let fault = parse(&text).unwrap_err();
        assert!(fault.what.contains(word), "{line}: {fault}");
        assert_eq!(fault.line, at, "{line}: {fault}");
    }
    for (text, word) in [
        ("", "first line"),
        ("# lastout 1 role=pid1\n", "first line"),
        ("# lastout-world 1\ninit lastout\n", "no program"),
        ("# lastout-world 1\nprogram a\n", "who is init"),
    ] {
        let fault = parse(text).unwrap_err();
        assert!(fault.line == 1 && fault.what.contains(word), "{text}: {fault}");
    }
}

#[test]
fn a_life_without_moves_is_fair_and_ends() {
    let scenario = parse(
        "# lastout-world 1\ninit lastout\nengine settle, docker-stop\nprogram app\n\
         on TERM goto end\n spawn worker\n idle: pause; goto idle\n end: either idle out\n\
         out: exit 3\nprogram worker\n on TERM ignore\n idle: pause; goto idle\n",
    )
    .unwrap();
    let world = life(&scenario);
    assert_eq!(world.exit(), Some(lastout_core::Status::Exited(3)));
    assert_eq!(
        world.passed(),
        5250,
        "the worker is killed when drain grace and last call are over"
    );
}

#[test]
fn moves_are_followed_and_impossible_ones_are_found_out() {
    let text = "# lastout-world 1\ninit lastout\nprogram app\n exit 3\nmoves\n init\n";
    let mut scenario = parse(text).unwrap();
    let world = life(&scenario);
    assert!(!world.is_over() && world.driver().is_some_and(|driver| driver.masked));
    assert!(check(&scenario).is_ok());
    scenario.moves.push(Choice::Engine(0));
    let failure = check(&scenario).unwrap_err();
    assert!(failure.to_string().contains("move 2, \"engine 0\""), "{failure}");
    let notes = life(&scenario);
    assert!(format!("{:?}", notes.kernel.notes.kept()).contains("engine 0"));
}

#[test]
fn a_failure_names_the_line_and_the_way_there() {
    let scenario = parse(
        "# lastout-world 1\ninit tini\nprompt\nengine settle, docker-stop\nprogram app\n spawn worker\n\
         idle: pause; goto idle\nprogram worker\n pause\n\nexpect exit 143\nexpect laws hold\n",
    )
    .unwrap();
    let failure = check(&scenario).unwrap_err();
    assert_eq!(failure.line, 12, "{failure}");
    assert!(failure.why.contains("S10"), "{failure}");
    // The way is one: a life that takes it breaks the law at its last move.
    let mut world = crate::world::World::new(&scenario.setting);
    let (last, before) = failure.path.split_last().unwrap();
    for choice in before {
        world.apply(&scenario.setting, *choice).unwrap();
    }
    let broken = world.apply(&scenario.setting, *last).unwrap_err();
    assert_eq!(broken.law, Law::S10);
    assert!(broken.also.contains(&Law::L3));
}
