//! Programs that are there to try an init: the workload of searches, swarms and fuzzers.

use std::sync::LazyLock;

use crate::program::{Library, parse};

/// Programs that may do anything at any time, as the search tries it: `any` may end, stop,
/// become deaf to TERM, and make others like it; what it does between is nobody's business, and
/// one that handles TERM and takes its time is a deaf one that ends some day. `app` is the same
/// as a main child: its exit code tells if it handled TERM. `visitor` is one that enters.
pub const ANY: &str = "\
program app
  loop: either end fork stop deaf handle
    end: exit 3
    fork: spawn any; goto loop
    stop: kill self STOP; goto loop
    deaf: on TERM ignore; goto loop
    handle: on TERM goto end; goto loop

program any
  loop: either end fork stop deaf
    end: exit 0
    fork: spawn any; goto loop
    stop: kill self STOP; goto loop
    deaf: on TERM ignore; goto loop

program visitor
  loop: either end fork deaf
    end: exit 0
    fork: spawn any; goto loop
    deaf: on TERM ignore; goto loop
";

/// The same, with what matters when signals go to the main child's group: leaving it.
pub const ANY_GROUP: &str = "\
program app
  loop: either end fork deaf handle
    end: exit 3
    fork: spawn any; goto loop
    deaf: on TERM ignore; goto loop
    handle: on TERM goto end; goto loop

program any
  loop: either end fork deaf group session
    end: exit 0
    fork: spawn any; goto loop
    deaf: on TERM ignore; goto loop
    group: setpgid; goto loop
    session: setsid; goto loop

program visitor
  loop: either end fork
    end: exit 0
    fork: spawn any; goto loop
";

/// The same, with another user.
pub const ANY_USER: &str = "\
program app
  loop: either end fork deaf
    end: exit 3
    fork: spawn any; goto loop
    deaf: on TERM ignore; goto loop

program any
  loop: either end deaf user
    end: exit 0
    deaf: on TERM ignore; goto loop
    user: uid 1; goto loop

program visitor
  loop: either end user
    end: exit 0
    user: uid 1; goto loop
";

/// Systems as one meets them.
pub const USUAL: &str = "\
program server
    on TERM goto stop
    spawn worker; spawn worker
  idle: pause; goto idle
  stop: work 1; exit 0

program worker
    on TERM goto save
  idle: either pause busy fork
    pause: pause; goto idle
    busy: work 2; goto idle
    fork: spawn leaf; goto idle
  save: work 2; exit 0

program leaf
  either end idle session
    end: exit 0
    session: setsid; goto idle
    idle: pause; goto idle

program stubborn
    on TERM ignore; on INT ignore; on HUP ignore
    spawn leaf
  idle: pause; goto idle

program sleeper
    sleep 70ms; exit 7

program slow
    on TERM goto save; spawn worker
  idle: pause; goto idle
  save: sleep 120ms; exit 0

program master
    on TERM goto stop
    spawn worker
  watch: wait; spawn worker; goto watch
  stop: kill child TERM
    wait; exit 0

program respawner
  again: spawn leaf
    wait; goto again

program script
    spawn server; wait; exit status

program trapping
    trap TERM goto stop
    spawn worker
    wait; wait; exit status
  stop: kill child TERM
    return

program daemons
    daemon worker; daemon stubborn
    sleep 30ms; exit 0

program stopper
    spawn leaf; kill self STOP
    on TERM goto end
  idle: either idle2 stop
    idle2: pause; goto idle
    stop: kill self TSTP; goto idle
  end: exit 9

program traced
    trace-me; spawn leaf; kill self USR1
  idle: pause; goto idle

program bomb
    repeat 6 bomb
  bomb: spawn bomblet; either bomb idle
    idle: pause; goto idle

program bomblet
    on TERM goto late
    fork child
  idle: pause; goto idle
  child: either end idle
    end: exit 1
  late: spawn leaf; exit 0

program user
    uid 1; spawn leaf
    on TERM goto end
  idle: pause; goto idle
  end: exit 0

program subreaper
    subreaper; spawn parent
  idle: reap; pause; goto idle

program parent
    spawn leaf; spawn leaf; exit 0

program hanging
    on TERM goto end
    either hang idle
    hang: hang
  idle: pause; goto idle
  end: hang; exit 0

program mean
    on TERM goto fork
  idle: pause; goto idle
  fork: spawn leaf; spawn leaf; work 1; exit 0

program shell
    background worker; spawn leaf
    foreground; exit status
";

/// The library of [`ANY`].
///
/// # Panics
/// Never: a test reads it.
pub fn any() -> Library {
    parse(ANY).expect("a test reads it")
}

/// The library of [`ANY_USER`].
///
/// # Panics
/// Never: a test reads it.
pub fn any_user() -> Library {
    parse(ANY_USER).expect("a test reads it")
}

/// The library of [`ANY_GROUP`].
///
/// # Panics
/// Never: a test reads it.
pub fn any_group() -> Library {
    parse(ANY_GROUP).expect("a test reads it")
}

/// The library of [`USUAL`], which is read once: to read it takes as long as to live a life.
///
/// # Panics
/// Never: a test reads it.
pub fn usual() -> Library {
    static READ: LazyLock<Library> = LazyLock::new(|| parse(USUAL).expect("a test reads it"));
    READ.clone()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workload_can_be_read() {
        assert_eq!(super::any().programs.len(), 3);
        assert_eq!(super::any_group().programs.len(), 3);
        assert!(super::usual().programs.len() > 20);
    }
}
