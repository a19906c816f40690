//! Programs, instruction by instruction.

use crate::scenario::{check, parse};

/// Who executes `program`, as an ordinary process that is sent `engine`, ends as expected.
fn expect(engine: &str, program: &str, expected: &str) {
    let text = format!(
        "# lastout-world 1\ninit program app\npolicy role=plain\nengine {engine}\nprompt\n\
             program app\n{program}\nprogram child\n exit 9\nprogram sleeper\n sleep 1s; exit 9\n\
             program shell\n trap INT goto end; kill self INT; exit 1\n end: exit 2\n\
             expect {expected}\n"
    );
    let checked = check(&parse(&text).unwrap());
    assert!(checked.is_ok(), "{}", checked.unwrap_err());
}

/// K84: traps run between commands.
#[test]
fn a_trap_waits_for_a_sleep_in_the_foreground_and_a_handler_does_not() {
    let rest = "TERM goto end; sleep 1s; say slept; exit 3\n end: say end; return";
    let engine = "settle, send TERM";
    expect(engine, &format!("trap {rest}"), "app says end slept");
    expect(engine, &format!("on {rest}"), "app says end slept");
    // The difference is when: the trap's word comes after a second.
    let late = "settle, send TERM, wait 500ms, kill";
    expect(late, &format!("trap {rest}"), "app says");
    expect(late, &format!("on {rest}"), "app says end slept");
}

/// K84: `$?` is what it was before the trap, but within it.
#[test]
fn a_trap_gives_the_status_back() {
    let shell = "trap TERM goto end; background sleeper; wait; exit status\n end: wait; ";
    expect("settle, send TERM", &format!("{shell} return"), "exit 143");
    expect("settle, send TERM", &format!("{shell} exit status"), "exit 9");
}

/// K86, and what the shell itself ignores it can trap again.
#[test]
fn what_was_ignored_when_a_shell_began_cannot_be_trapped() {
    expect("settle", "on INT ignore; exec shell", "exit 1");
    expect("settle", "on INT ignore; spawn shell; wait; exit status", "exit 1");
    expect("settle", "exec shell", "exit 2");
    expect("settle", "trap INT ignore; trap INT goto end; kill self INT\n end: exit 4", "exit 4");
}

/// K33: a child that can be reaped wins over a signal.
#[test]
fn a_handler_for_chld_does_not_keep_wait_from_its_child() {
    expect("settle", "on CHLD goto end; spawn child; wait; exit status\n end: return", "exit 9");
    let reap = "on CHLD goto end; spawn child; spawn child; reap; say reaped; spawn sleeper\n\
                    reap; exit 4\n end: say chld; return";
    expect("settle", reap, "exit 4");
}

#[test]
fn a_handler_leaves_a_loop_as_it_was() {
    let three = "on USR1 goto usr1\n loop: pause; repeat 3 loop; exit 5\n usr1: say usr1; return";
    let twice = "settle, send USR1, settle, send USR1";
    expect(&format!("{twice}, settle, send USR1"), three, "exit 5");
    expect(twice, three, "app alive");
}

#[test]
fn a_blocked_signal_can_be_taken() {
    expect("settle, send TERM", "mask TERM; take TERM; say taken; exit 6", "exit 6");
    expect("settle, send INT", "mask TERM; take TERM; exit 6", "exit 130");
    let handler = "on INT goto end; mask TERM; take TERM; exit 6\n end: return";
    expect("settle, send INT", handler, "exit 6");
}

/// Seen on Linux 6.18: the handler runs before kill(2) returns, so that a `pause` behind it has
/// not begun and is not cut short; and a shell's trap runs before its next command.
#[test]
fn what_a_process_sends_itself_cuts_no_later_call_short() {
    let rest = "exit 4\n end: return";
    expect("settle", &format!("on USR1 goto end; kill self USR1; pause; {rest}"), "app alive");
    let taken = "on USR1 goto end; mask TERM; kill self USR1; take TERM";
    expect("settle", &format!("{taken}; {rest}"), "app alive");
    let wait = "trap USR1 goto end; spawn child; kill self USR1; wait; exit status\n end: return";
    expect("settle", wait, "exit 9");
}
