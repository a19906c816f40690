//! A process that is sent signals: in what role, by whom, and what became of it.

use std::io::{PipeReader, PipeWriter};

use super::signal::{self, Disposition, heard, pending};
use super::{
    but_for_core, companion, end, enter, exit, exited, hear, kill, own_group, own_pid, pid_1, pipe,
    rest, tell, wait, waitpid,
};

/// The two kinds of subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// PID 1 of a namespace.
    Pid1,
    /// Another process of that namespace; its parent is outside.
    Ordinary,
}

/// The three kinds of senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The subject.
    Itself,
    /// A process of the subject's namespace: a child of the subject.
    Inside,
    /// A process of a namespace above: the experiment.
    Outside,
}

/// Both roles.
pub(crate) const ROLES: [Role; 2] = [Role::Pid1, Role::Ordinary];

/// All senders.
pub(crate) const SENDERS: [Sender; 3] = [Sender::Itself, Sender::Inside, Sender::Outside];

/// Lets a subject have a signal sent to itself, by whomever.
pub(crate) struct Post {
    insider: i32,
    inside: (PipeWriter, PipeReader),
    outside: (PipeWriter, PipeReader),
}

impl Post {
    /// Returns when kill(2) has returned 0 for the sender. The subject must survive the signal.
    pub(crate) fn send(&self, sender: Sender, signal: i32) {
        let (request, done) = match sender {
            Sender::Itself => return kill(own_pid(), signal).expect("kill of itself"),
            Sender::Inside => &self.inside,
            Sender::Outside => &self.outside,
        };
        tell(request, signal.try_into().expect("a signal"));
        hear(done).expect("the sender serves");
    }

    /// The pid of the sender inside.
    pub(crate) fn insider(&self) -> i32 {
        self.insider
    }
}

/// Sends what is requested, until nobody can request any more.
fn serve(pid: i32, requests: &PipeReader, done: &PipeWriter) {
    while let Some(signal) = hear(requests) {
        kill(pid, signal.into()).expect("kill");
        tell(done, 0);
    }
}

/// A subject that has signals sent to itself, until it ends: its status.
pub(crate) fn subject(role: Role, body: impl FnOnce(&Post)) -> i32 {
    let holder = holder(role);
    let ((requests, request), (done, tell_done)) = (pipe(), pipe());
    let body = move || {
        let (inside_requests, inside_request) = pipe();
        let (inside_done, tell_inside_done) = pipe();
        let own = own_pid();
        let insider = companion(move || serve(own, &inside_requests, &tell_inside_done));
        let (inside, outside) = ((inside_request, inside_done), (request, done));
        body(&Post { insider, inside, outside });
    };
    let pid = start(holder, body);
    serve(pid, &requests, &tell_done);
    let status = wait(pid);
    holder.into_iter().for_each(end);
    status
}

/// The PID 1 of the namespace that an ordinary process is to be in; PID 1 needs none. Made before
/// any pipe whose end is to be heard: it would keep that open.
fn holder(role: Role) -> Option<i32> {
    (role == Role::Ordinary).then(|| pid_1(|| rest()))
}

/// A process in the holder's namespace, or else PID 1 of another: its pid.
fn start(holder: Option<i32>, body: impl FnOnce()) -> i32 {
    match holder {
        None => pid_1(body),
        Some(holder) => enter(holder, body),
    }
}

/// What became of a subject with that disposition, unblocked, that was sent that signal: its
/// status, also that it was stopped; or one of the two below.
pub(crate) fn outcome(role: Role, disposition: Disposition, sender: Sender, signal: i32) -> i32 {
    let holder = holder(role);
    let ((ready, tell_ready), (go, tell_go)) = (pipe(), pipe());
    // Ours: the subject may be dead when we tell it to go on.
    let _go = go.try_clone().expect("dup");
    let body = move || {
        // In a group of its own that is not orphaned: what stops by default can stop it.
        own_group();
        signal::dispose(signal, disposition);
        match sender {
            Sender::Itself => kill(own_pid(), signal).expect("kill of itself"),
            Sender::Inside => {
                let (sent, tell_sent) = pipe();
                let own = own_pid();
                companion(move || {
                    kill(own, signal).expect("kill from inside");
                    tell(&tell_sent, 0);
                });
                hear(&sent).expect("the sender");
            }
            Sender::Outside => {
                tell(&tell_ready, 0);
                hear(&go).expect("the experiment");
            }
        }
        // What is pending shows if it is blocked.
        signal::block(!0);
        let code = match (heard().as_slice(), pending() & signal::set(&[signal])) {
            ([], 0) => NOTHING,
            ([one], 0) if *one == signal => HANDLED,
            other => panic!("{role:?} {disposition:?} {sender:?} {signal}: {other:x?}"),
        };
        exit(code >> 8)
    };
    let pid = start(holder, body);
    if sender == Sender::Outside {
        hear(&ready).expect("the subject is ready");
        kill(pid, signal).expect("kill from outside");
        tell(&tell_go, 0);
    }
    let (_, status) = waitpid(pid, libc::WUNTRACED).expect("the subject is our child");
    if status & 0xff == 0x7f {
        end(pid);
    }
    holder.into_iter().for_each(end);
    but_for_core(status)
}

/// [`outcome`]: nothing happened, and nothing is pending.
pub(crate) const NOTHING: i32 = exited(10);
/// [`outcome`]: the handler ran once, and nothing is pending.
pub(crate) const HANDLED: i32 = exited(11);
