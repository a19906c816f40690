//! K52 to K55: who adopts whom, and what comes of it.

use std::fs;

use libc::{SIGCHLD as CHLD, SIGCONT as CONT, SIGHUP as HUP, SIGKILL as KILL, SIGSTOP as STOP};
use nix::sys::prctl::{get_child_subreaper, set_child_subreaper};
use nix::unistd::getppid;

use crate::ground::{
    Shared, become_shell, enter, fork, ground, namespace, namespace_of, own_group, own_session,
    reap, stay, stayer, until, until_shell, zombie,
};
use crate::proc::{number, parent, pending, state};
use crate::signals::{disposition, kill, take};

fn be_subreaper() {
    set_child_subreaper(true).expect("prctl");
}

/// A process that stays, with a child that ends at `go`, whose child stays; their pids as the
/// experiment's PID 1 numbers them.
struct Family {
    go: Shared,
    father: Shared,
    orphan: Shared,
}

impl Family {
    fn new() -> Self {
        Self { go: Shared::new(), father: Shared::new(), orphan: Shared::new() }
    }

    /// The life of the father; on return he is about to die.
    fn live(&self) {
        self.father.set(number());
        fork(|| {
            self.orphan.set(number());
            stay()
        });
        self.orphan.wait();
        self.go.wait();
    }

    /// Lets the father die, whoever is to reap him; the parent of the orphan then.
    #[track_caller]
    fn adopter(&self) -> i32 {
        assert_eq!(parent(self.orphan.wait()), self.father.wait());
        self.go.set(1);
        until("it has a new parent", || parent(self.orphan.get()) != self.father.get());
        parent(self.orphan.get())
    }
}

#[test]
fn k052_an_orphan_goes_to_the_nearest_subreaper_above_its_father_and_without_one_to_pid_1() {
    ground(|| {
        let family = Family::new();
        fork(|| family.live());
        assert_eq!(family.adopter(), 1);
        let family = Family::new();
        let upper = Shared::new();
        let lower = Shared::new();
        fork(|| {
            be_subreaper();
            upper.set(number());
            fork(|| {
                be_subreaper();
                lower.set(number());
                // Nearer, but no subreaper.
                fork(|| {
                    fork(|| family.live());
                    stay()
                });
                stay()
            });
            stay()
        });
        assert_eq!(family.adopter(), lower.get());
        assert_ne!(lower.get(), upper.get());
    });
}

#[test]
fn k052_the_child_of_a_thread_that_ends_goes_to_another_thread_of_its_process() {
    ground(|| {
        let (orphan, father, over) = (Shared::new(), Shared::new(), Shared::new());
        let upper = stayer(be_subreaper);
        let process = stayer(|| {
            let thread = std::thread::spawn(move || {
                orphan.set(stayer(|| ()));
                // SAFETY: a number only.
                father.set(unsafe { libc::gettid() });
            });
            thread.join().expect("it ends");
            // Its descriptor in /proc goes when the kernel has done with it.
            let gone = format!("/proc/self/task/{}", father.get());
            until("the thread is gone", || !fs::exists(&gone).expect("/proc"));
            assert_eq!(parent(orphan.get()), number());
            kill(orphan.get(), KILL).expect("KILL");
            assert_eq!(reap(orphan.get()), KILL, "any thread may wait for it");
            over.set(1);
        });
        assert_eq!(over.get(), 1);
        assert_ne!(father.get(), process);
        assert_ne!(upper, process);
    });
}

#[test]
fn k052_an_orphan_stays_in_the_namespace_of_its_father() {
    ground(|| {
        let family = Family::new();
        let init = Shared::new();
        fork(|| {
            be_subreaper();
            init.set(namespace(|| {
                fork(|| family.live());
                stay()
            }));
            stay()
        });
        assert_eq!(family.adopter(), init.wait(), "not the subreaper above the container");
        let family = Family::new();
        let inner = Shared::new();
        namespace(|| {
            fork(|| {
                be_subreaper();
                inner.set(number());
                fork(|| family.live());
                stay()
            });
            stay()
        });
        assert_eq!(family.adopter(), inner.get(), "a subreaper within");
    });
}

#[test]
fn k052_who_entered_goes_to_an_outer_subreaper_and_its_own_children_to_the_inner_pid_1() {
    ground(|| {
        let (go, subreaper) = (Shared::new(), Shared::new());
        let (entered, seen) = (Shared::new(), Shared::new());
        let family = Family::new();
        let init = stayer_in_namespace();
        subreaper.set(fork(|| {
            be_subreaper();
            // Whoever has let it enter dies first, and then who entered.
            fork(|| {
                enter(&namespace_of(init), || {
                    entered.set(number());
                    until("it is adopted outside", || parent(number()) == subreaper.get());
                    seen.set(1 + getppid().as_raw());
                    family.live();
                })
                .expect("a process");
                go.wait();
            });
            stay()
        }));
        assert_ne!(parent(entered.wait()), subreaper.get());
        go.set(1);
        assert_eq!(seen.wait(), 1, "it still sees no parent");
        assert_eq!(family.father.wait(), entered.get());
        assert_eq!(family.adopter(), init);
    });
}

fn stayer_in_namespace() -> i32 {
    let ready = Shared::new();
    let init = namespace(|| {
        ready.set(1);
        stay()
    });
    ready.wait();
    init
}

#[test]
fn k053_a_subreaper_adopts_also_who_was_there_before_and_its_children_are_none() {
    ground(|| {
        let family = Family::new();
        let (go, child) = (Shared::new(), Shared::new());
        let subreaper = stayer(|| {
            fork(|| family.live());
            family.orphan.wait();
            // By another thread: it is the whole process that is one.
            std::thread::spawn(be_subreaper).join().expect("it ends");
            assert_eq!(get_child_subreaper(), Ok(true));
            child.set(stayer(|| assert_eq!(get_child_subreaper(), Ok(false))));
            fork(|| {
                go.wait();
            });
        });
        assert_eq!(family.adopter(), subreaper);
        go.set(1);
        // A child of a subreaper adopts nobody: its grandchild goes past it.
        let (family, second) = (Family::new(), Shared::new());
        second.set(fork(|| {
            be_subreaper();
            fork(|| {
                assert_eq!(get_child_subreaper(), Ok(false));
                fork(|| family.live());
                stay()
            });
            stay()
        }));
        assert_eq!(family.adopter(), second.get());
        kill(second.get(), KILL).expect("KILL");
        assert_eq!(reap(second.get()), KILL);
        assert_eq!(parent(family.orphan.get()), 1, "and further up when the subreaper dies");
    });
}

#[test]
fn k053_when_a_subreaper_dies_the_next_one_above_adopts() {
    ground(|| {
        let family = Family::new();
        let (upper, lower) = (Shared::new(), Shared::new());
        upper.set(fork(|| {
            be_subreaper();
            lower.set(fork(|| {
                be_subreaper();
                fork(|| family.live());
                stay()
            }));
            stay()
        }));
        assert_eq!(family.adopter(), lower.wait());
        kill(lower.get(), KILL).expect("KILL");
        until("it is a zombie", || state(lower.get()) == 'Z');
        assert_eq!(parent(family.orphan.get()), upper.get());
    });
}

#[test]
fn k053_a_process_stays_a_subreaper_over_exec() {
    ground(|| {
        let family = Family::new();
        let subreaper = fork(|| {
            fork(|| family.live());
            be_subreaper();
            become_shell()
        });
        until_shell(subreaper);
        assert_eq!(family.adopter(), subreaper);
    });
}

/// A dead child of `middle`, which dies at `go`; the pid of the dead child.
fn leaves_a_zombie(dead: Shared, go: Shared) {
    dead.set(zombie(0));
    go.wait();
}

#[test]
fn k054_a_zombie_that_is_adopted_is_announced_to_who_adopts_it_and_can_be_reaped() {
    ground(|| {
        let (dead, go, over) = (Shared::new(), Shared::new(), Shared::new());
        let adopter = fork(|| {
            be_subreaper();
            // The dead one's father is a child of somebody else, so that his death is not told here.
            fork(|| {
                fork(|| leaves_a_zombie(dead, go));
                stay()
            });
            let (_, _, who) = take(&[CHLD]);
            assert_eq!(who, dead.get());
            assert_eq!(reap(who), 0);
            over.set(1);
        });
        dead.wait();
        assert_eq!(pending(adopter), []);
        go.set(1);
        assert_eq!(reap(adopter), 0);
        assert_eq!(over.get(), 1);
    });
}

#[test]
fn k054_a_zombie_that_is_adopted_by_who_ignores_chld_is_gone() {
    ground(|| {
        let (dead, go, father) = (Shared::new(), Shared::new(), Shared::new());
        stayer(|| {
            be_subreaper();
            fork(|| {
                father.set(fork(|| leaves_a_zombie(dead, go)));
                stay()
            });
            // Only now: children inherit it.
            disposition(CHLD, libc::SIG_IGN);
        });
        assert_eq!(state(dead.wait()), 'Z');
        go.set(1);
        until("the father is a zombie", || state(father.get()) == 'Z');
        assert_eq!(state(dead.get()), '-');
    });
}

/// A session whose leader has a child, whose stopped child has a group of its own. The child dies;
/// the stopped one.
fn adopted_while_stopped(leader_is_subreaper: bool) -> i32 {
    let (stopped, father, go) = (Shared::new(), Shared::new(), Shared::new());
    fork(move || {
        own_session();
        set_child_subreaper(leader_is_subreaper).expect("prctl");
        father.set(fork(|| {
            own_group();
            let child = stayer(own_group);
            kill(child, STOP).expect("STOP");
            until("it is stopped", || state(child) == 'T');
            stopped.set(child);
            go.wait();
        }));
        stay()
    });
    stopped.wait();
    assert_eq!(pending(stopped.get()), []);
    go.set(1);
    // All that his death brings about has been brought about before he is a zombie.
    until("the father is a zombie", || state(father.get()) == 'Z');
    stopped.get()
}

#[test]
fn k055_adoption_of_a_stopped_process_can_orphan_its_group() {
    ground(|| {
        let stopped = adopted_while_stopped(false);
        assert_eq!(parent(stopped), 1);
        assert_eq!(pending(stopped), [HUP, CONT]);
        until("it goes on", || state(stopped) == 'S');
        let stopped = adopted_while_stopped(true);
        assert_eq!(pending(stopped), [], "its new parent is of its session");
        assert_eq!(state(stopped), 'T');
    });
}
