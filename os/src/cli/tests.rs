//! The command line says what was meant, or what is wrong with it and how to do it right.

use super::*;
use lastout_core::Forward;

type Parsed<'a> = Result<(Wanted, Options<'a>), Usage<'a>>;

fn parse_with<'a>(arguments: &[&'a str], environment: &[&'a str]) -> Parsed<'a> {
    let name = core::iter::once(&b"lastout"[..]);
    parse_bytes(
        name.chain(arguments.iter().map(|a| a.as_bytes())),
        environment.iter().map(|v| v.as_bytes()),
    )
}

fn parse_bytes<'a>(
    arguments: impl Iterator<Item = &'a [u8]>,
    environment: impl Iterator<Item = &'a [u8]>,
) -> Parsed<'a> {
    let mut options = Options::NONE;
    let wanted = parse(arguments, environment, &mut options)?;
    Ok((wanted, options))
}

fn options<'a>(arguments: &[&'a str], environment: &[&'a str]) -> Options<'a> {
    match parse_with(arguments, environment) {
        Ok((Wanted::Run, options)) => options,
        other => panic!("{arguments:?} {environment:?}: {other:?}"),
    }
}

fn complaint(arguments: &[&str], environment: &[&str]) -> String {
    match parse_with(arguments, environment) {
        Err(usage) => usage.to_string(),
        other => panic!("{arguments:?} {environment:?}: {other:?}"),
    }
}

#[test]
fn options_end_at_the_command() {
    for (arguments, command) in [
        (&["ls", "-la"][..], 1),
        (&["--", "ls", "-v"], 2),
        (&["-v", "ls", "--", "-q"], 2),
        (&["--drain-grace", "3s", "-q", "ls"], 4),
        (&["--drain-grace=3s", "--", "--strange"], 3),
        (&["-", "x"], 1),
    ] {
        assert_eq!(options(arguments, &[]).command, command, "{arguments:?}");
    }
    assert_eq!(options(&["ls", "-v"], &[]).verbosity, Verbosity::Normal);
}

#[test]
fn every_option_does_what_it_says() {
    let o = options(
        &[
            "--forward",
            "group",
            "--rewrite",
            "HUP:0",
            "--rewrite=TERM:SIGQUIT,USR1:rtmin+1",
            "--stop-signal",
            "TERM,RTMIN+3",
            "--stop-grace",
            "1m",
            "--drain-grace",
            "3s",
            "--drain-signal",
            "HUP",
            "--last-call",
            "10ms",
            "--kill-grace",
            "1s",
            "--remap-exit",
            "143:0,130:1",
            "--session",
            "--subreaper",
            "on",
            "--kernel-reaping=off",
            "--parent-death-signal",
            "TERM:7",
            "-v",
            "--record",
            "life.log",
            "x",
        ],
        &[],
    );
    assert_eq!(
        o.policy.to_string(),
        "# lastout 1 role=pid1 forward=group stop-signal=TERM,RTMIN+3 drain-signal=HUP stop-grace=1m \
         drain-grace=3s last-call=10ms kill-grace=1s kernel-reaping=off rewrite=HUP:0 rewrite=USR1:RTMIN+1 \
         rewrite=TERM:QUIT \
         remap-exit=130:1 remap-exit=143:0"
    );
    assert!(o.session);
    assert_eq!(o.subreaper, Subreaper::On);
    assert_eq!(o.verbosity, Verbosity::Verbose);
    assert_eq!(o.record, Some("life.log"));
    let parent = Pid::new(7);
    assert_eq!(o.parent_death, Some(ParentDeath { signal: Signal::TERM, parent }));
}

#[test]
fn every_option_has_its_variable_and_its_line_in_the_help() {
    for (name, key, takes_value) in OPTIONS {
        let value = match key {
            Key::StopTimeout => "20s",
            Key::DrainSignal | Key::StopSignal | Key::ParentDeathSignal => "HUP",
            Key::Forward => "all",
            Key::Rewrite => "USR1:USR2",
            Key::RemapExit => "3:4",
            Key::Subreaper | Key::KernelReaping => "off",
            _ if takes_value => "7s",
            _ => "1",
        };
        let variable = format!("{}={value}", Name(name, Source::Variable));
        let by_variable = options(&["x"], &[&variable]);
        let argument = format!("--{name}={value}");
        let argument = if takes_value { &argument } else { argument.split('=').next().unwrap() };
        let by_argument = options(&[argument, "x"], &[]);
        let without = options(&["x"], &[]);
        let debug = |o: Options<'_>| format!("{:?}", Options { command: 0, ..o });
        assert_eq!(debug(by_variable), debug(by_argument), "{variable}");
        assert_ne!(debug(options(&["x"], &[&variable])), debug(without), "{variable}");
        assert!(HELP.contains(&format!("--{name} ")), "{name} is not in the help");
    }
}

#[test]
fn the_command_line_counts_more_than_the_environment() {
    let o =
        options(&["--forward", "main", "-q", "x"], &["LASTOUT_FORWARD=all", "LASTOUT_VERBOSE=1"]);
    assert_eq!(o.policy.forward, Forward::Main);
    assert_eq!(o.verbosity, Verbosity::Quiet);
}

#[test]
fn variables_that_only_look_like_ours_are_left_alone() {
    let environment = [
        "LASTOUT_PORT=tcp://10.0.0.1",
        "LASTOUT_",
        "LASTOUT_DRAIN_GRACE=",
        "XLASTOUT_QUIET=1",
        "A",
    ];
    let o = options(&["x"], &environment);
    assert_eq!(o.policy.to_string(), Policy::default().to_string());
    assert_eq!(o.verbosity, Verbosity::Normal);
}

#[test]
fn a_switch_in_the_environment_can_be_off() {
    assert!(!options(&["x"], &["LASTOUT_SESSION=0"]).session);
    assert_eq!(options(&["x"], &["LASTOUT_VERBOSE=no"]).verbosity, Verbosity::Normal);
}

#[test]
fn help_and_version_are_found_before_the_command_only() {
    assert!(matches!(parse_with(&["-q", "--help"], &[]), Ok((Wanted::Help, _))));
    assert!(matches!(parse_with(&["-V"], &[]), Ok((Wanted::Version, _))));
    assert_eq!(options(&["x", "--help"], &[]).command, 1);
}

#[test]
fn what_is_wrong_is_said_with_where_and_how_to_do_it_right() {
    for (arguments, environment, says) in [
        (&[][..], &[][..], &["no command", "usage"][..]),
        (&["--"], &[], &["no command"]),
        (&["", "x"], &[], &["empty word"]),
        (&["--drain", "5s", "x"], &[], &["--drain", "no option", "--"]),
        (&["-x"], &[], &["-x", "no option"]),
        // Nor can it break the line.
        (&["--é\n\x1b[2J\"", "x"], &[], &["\"--é??[2J\"\" is no option"]),
        (&["-session", "x"], &[], &["-session", "no option"]),
        (&["--drain-grace"], &[], &["--drain-grace", "needs a value"]),
        (&["--session=1", "x"], &[], &["--session", "no value"]),
        (&["--drain-grace", "5", "x"], &[], &["--drain-grace", "\"5\"", "1500ms"]),
        (&["x"], &["LASTOUT_KILL_GRACE=5x"], &["LASTOUT_KILL_GRACE", "\"5x\"", "2m"]),
        (&["--drain-signal", "KILL", "x"], &[], &["KILL", "--drain-grace 0"]),
        (&["--drain-signal", "FOO", "x"], &[], &["FOO", "RTMIN+3"]),
        (&["--stop-signal", "TERM,,INT", "x"], &[], &["TERM,INT"]),
        (&["--stop-signal", "KILL", "x"], &[], &["can be taken"]),
        (&["--forward", "everyone", "x"], &[], &["main, group or all"]),
        (&["--rewrite", "HUP", "x"], &[], &["HUP:TERM"]),
        (&["--rewrite", "CHLD:TERM", "x"], &[], &["CHLD"]),
        (&["--rewrite", "TERM:00", "x"], &[], &["HUP:0"]),
        (&["--remap-exit", "300:0", "x"], &[], &["143:0"]),
        (&["--remap-exit", "+3:0", "x"], &[], &["143:0"]),
        (&["--record=", "x"], &[], &["--record", "name of a file"]),
        (&["--record"], &[], &["--record", "needs a value"]),
        (&["--subreaper", "maybe", "x"], &[], &["auto, on or off"]),
        (&["--kernel-reaping", "auto", "x"], &[], &["--kernel-reaping", "neither on nor off"]),
        (&["x"], &["LASTOUT_KERNEL_REAPING=1"], &["LASTOUT_KERNEL_REAPING", "neither on nor off"]),
        (&["--parent-death-signal", "TERM:x", "x"], &[], &["TERM:$$"]),
        (&["--parent-death-signal", "TERM:+7", "x"], &[], &["TERM:$$"]),
        (&["x"], &["LASTOUT_SESSION=perhaps"], &["LASTOUT_SESSION", "1 nor 0"]),
        (&["--stop-timeout", "2s", "--drain-grace", "5s", "x"], &[], &["--stop-timeout", "2s"]),
    ] {
        let text = complaint(arguments, environment);
        for part in says {
            assert!(text.contains(part), "{arguments:?} {environment:?}: {text}");
        }
        assert!(!text.contains('\n'), "one line: {text}");
    }
}

#[test]
fn what_is_not_text_is_refused_before_the_command_and_taken_as_the_command() {
    let words = |first: &'static [u8]| [&b"lastout"[..], first, b"\xff"].into_iter();
    assert!(parse_bytes(words(b"-\xff"), core::iter::empty()).is_err());
    let told = parse_bytes(words(b"\xff"), core::iter::empty());
    assert!(matches!(told, Ok((Wanted::Run, _))));
    assert!(parse_bytes(words(b"x"), [&b"LASTOUT_FORWARD=\xff"[..]].into_iter()).is_ok());
}
