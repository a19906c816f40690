//! What an idle lastout keeps of the machine's memory.
//!
//! Two things keep it small that no other test would miss: nothing with a large buffer is inlined
//! into the main loop, and os/link.ld knows what a life does not need. Only a binary that is linked
//! by that script is looked at; an unoptimised one is not.

use std::fs;

use lastout_tests::container::{Container, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;

/// KiB of all mappings, by what smaps (proc(5)) calls them.
fn sum(smaps: &str, field: &str) -> u32 {
    let values = smaps.lines().filter_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    values.map(|value| value.trim_end_matches("kB").trim().parse::<u32>().expect("a number")).sum()
}

/// One segment for all of the program, and one entry that says how the stack is to be.
fn is_linked_by_our_script() -> bool {
    let file = fs::read(tools::lastout()).expect("lastout can be read");
    // e_phnum, elf(5).
    u16::from_le_bytes([file[56], file[57]]) == 2
}

#[test]
fn an_idle_lastout_keeps_three_pages_of_its_own_and_maps_no_page_that_it_does_not_need() {
    if !available() || !is_linked_by_our_script() {
        return;
    }
    let story = Story::new();
    let container = Container::lastout(&story, &["/bin/sleep", "1000"]);
    let container = container.unrecorded("a record takes stack");
    let running = container.with(|command| _ = command.env_clear()).start();
    let proc = format!("/proc/{}", running.pid());
    let read = |file: &str| fs::read_to_string(format!("{proc}/{file}")).unwrap_or_default();
    // Asleep in the wait, with a child that has executed its program.
    let waits = format!("{} ", libc::SYS_rt_sigtimedwait);
    until(|| read("syscall").starts_with(&waits), || read("syscall"));

    let smaps = read("smaps");
    let mappings = smaps.lines().filter(|line| line.starts_with("VmFlags")).count();
    assert!(mappings <= 8, "{mappings} mappings\n{smaps}");
    // The stack: the top page with the strings, one or two with the arrays and all that we use. Not
    // Private_Dirty: a file that was just built may not be on the disk yet.
    let own = sum(&smaps, "Anonymous");
    assert!((4..=12).contains(&own), "{own} KiB of its own\n{smaps}");
    let resident = sum(&smaps, "Rss");
    assert!((8..=48).contains(&resident), "{resident} KiB resident\n{smaps}");
}
